import { codeOf, EngineError, invalid, messageOf } from '../../base/errors.ts';
import { Scope } from '../../base/scope.ts';
import type { BuiltLayer, StepMount, StepRequest } from '../../spec/contract/build.ts';
import { parsePlatform } from '../../spec/oci/platform.ts';
import type { StepOutput } from '../control/job.ts';
import type { RunDefinition } from '../graph/operation.ts';

import type { BuiltRoot, OperationScope } from './scope.ts';
import { clippedLog } from './log.ts';
import { findDestination } from './destination.ts';
import { withoutMountPoints } from './mount-points.ts';
import type { SolvePorts } from './ports.ts';
import { mountAll, mountKeys } from './mounts.ts';
import { stubLayer } from './stubs.ts';

/** Runs a command on its base; what it changed is the new layer. @throws internal when it fails, in BuildKit's words */
export async function makeRun(scope: OperationScope, definition: RunDefinition): Promise<BuiltRoot> {
  const { base, input } = scope;
  const { insecure, devices, hostNetwork } = input.allowed;
  if (definition.security === 'insecure' && !insecure) throw notAllowed('security.insecure');
  if (definition.network === 'host' && !hostNetwork) throw notAllowed('network.host');
  if (definition.devices.length > 0 && !devices) throw notAllowed('device');
  const shown = await mountKeys(scope, definition.mounts);
  // What is in a volume is no part of the key, as with caches.
  const volumes = input.volumes.length === 0 ? [] : [input.volumes];
  return scope.cached(['run', base.key, definition, shown, input.hostConfig, ...volumes], (output) =>
    runStep(scope, definition, output),
  );
}

/** @throws invalid when programs for the platform of a command do not run here */
export async function checkRuns(ports: SolvePorts, { platform }: RunDefinition): Promise<void> {
  if (platform === undefined) return;
  const obstacle = await ports.runnable.obstacle(parsePlatform(platform, ports.platform));
  if (obstacle !== undefined) throw invalid(`RUN for ${platform} is not possible: ${obstacle}`);
}

async function runStep(
  scope: OperationScope,
  definition: RunDefinition,
  output: StepOutput,
): Promise<BuiltLayer | undefined> {
  const { ports, input, base } = scope;
  const { content, signal } = input;
  await checkRuns(ports, definition);
  const { args, env, cwd, user } = definition;
  const { proxies = [] } = scope.operation.about;
  const stub = await stubLayer(content, signal);
  await using until = new Scope();
  const mounted = await mountAll(scope, definition.mounts, until);
  for (const { name } of input.volumes) {
    await ports.steps.cacheVolume({ name, id: undefined, owner: undefined, seed: undefined });
  }
  const mounts = [...mounted.mounts, ...input.volumes];
  let layer: BuiltLayer | undefined;
  const running = ports.steps.run(
    {
      layers: [stub, ...base.layers].map(({ diffId }) => diffId),
      args,
      env: [...proxies, ...env, ...mounted.env],
      cwd,
      user,
      mounts,
      hostConfig: { ...input.limits, ...input.hostConfig, ...settingsOf(definition) },
      ...(definition.hostname === undefined ? {} : { hostname: definition.hostname }),
      output: clippedLog((stream, bytes) => output.log(stream, bytes)),
      signal,
    },
    async (archive) => {
      const targets = await withoutLinks(scope, mounts);
      layer = await content.storeLayer(withoutMountPoints(archive, targets), signal);
    },
  );
  const { code, oomKilled } = await running.catch((error: unknown) => {
    if (!['invalid', 'not-found'].includes(codeOf(error))) throw error;
    throw failed(
      args,
      messageOf(error).replace(/^.*: unable to start container process: (.*): unknown$/s, '$1'),
      error,
    );
  });
  if (code === 0) return layer;
  throw failed(args, oomKilled ? 'cannot allocate memory' : `exit code: ${code}`);
}

/** Where mounts lie in the root, which may have links on the way. */
const withoutLinks = ({ base, onView }: OperationScope, mounts: readonly StepMount[]): Promise<readonly string[]> =>
  mounts.length === 0
    ? Promise.resolve([])
    : onView(base, (view) =>
        Promise.all(
          mounts.map(async ({ target }) => (await findDestination(view, target).catch(() => ({ path: target }))).path),
        ),
      );

/** @param why it did not even begin, or how it ended */
const failed = (args: readonly string[], why: string, cause?: unknown): EngineError =>
  new EngineError('internal', `process ${JSON.stringify(args.join(' '))} did not complete successfully: ${why}`, {
    cause,
  });

const notAllowed = (entitlement: string): EngineError =>
  new EngineError(
    'forbidden',
    `${entitlement} is not allowed: the client must allow it (--allow ${entitlement}), and so must the engine`,
  );

function settingsOf({ network, hosts, shmSize, ulimits, security, devices }: RunDefinition): StepRequest['hostConfig'] {
  return {
    ...(network === 'default' ? {} : { NetworkMode: network }),
    ...(security === 'insecure' ? { Privileged: true } : {}),
    ...(devices.length === 0 ? {} : { DeviceRequests: [deviceRequest(devices.map(({ name }) => name))] }),
    ...(hosts.length === 0 ? {} : { ExtraHosts: [...hosts] }),
    ...(shmSize === undefined ? {} : { ShmSize: shmSize }),
    ...(ulimits.length === 0 ? {} : { Ulimits: ulimits.map(ulimitOf) }),
  };
}

/** Devices by their names in descriptions (CDI). */
const deviceRequest = (names: readonly string[]) => ({
  Driver: 'cdi',
  Count: 0,
  DeviceIDs: [...names],
  Capabilities: [],
  Options: {},
});

/** `nofile=1024:2048`; with one number both limits are that. */
function ulimitOf(text: string): { Name: string; Soft: number; Hard: number } {
  const [name = '', values = ''] = text.split('=', 2);
  const [soft = '', hard = soft] = values.split(':', 2);
  return { Name: name, Soft: Number(soft), Hard: Number(hard) };
}
