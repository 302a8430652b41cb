import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { internal, invalid, messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { DeviceDrivers, DeviceEdits } from '../../spec/contract/devices.ts';
import type { DeviceRequest } from '../../spec/engine/container.ts';
import type { OciDevice, OciHookName, OciHooks } from '../../spec/oci/runtime.ts';
import type { HostFacts } from '../oci/host.ts';
import { type CdiDeviceNode, type CdiEdits, type CdiHook, type CdiSpec, decodeCdiSpec } from './cdi-spec.ts';

const largestSpec = 4 << 20;
const hookNames: readonly string[] = [
  'prestart',
  'createRuntime',
  'createContainer',
  'startContainer',
  'poststart',
  'poststop',
];

/**
 * Devices by name. The only driver is `cdi`: descriptions are read anew for each container that asks, so that a device
 * that was plugged in meanwhile is found.
 */
export function createDeviceDrivers(
  directories: readonly string[],
  host: Pick<HostFacts, 'devicesAt'>,
  log: Logger,
): DeviceDrivers {
  return {
    async edits(requests) {
      const names = requests.flatMap(requestedNames);
      if (names.length === 0) return noEdits;
      return joinEdits(findEdits(await readSpecs(directories, log), names), host);
    },
  };
}

const noEdits: DeviceEdits = { env: [], devices: [], rules: [], mounts: [], hooks: {}, additionalGids: [] };

/** @throws internal in Docker's words for any other driver: this host has none. */
function requestedNames(request: DeviceRequest): readonly string[] {
  if (request.Driver !== 'cdi') {
    const capabilities = (request.Capabilities ?? []).map((all) => `[${all.join(' ')}]`).join(' ');
    throw internal(
      `could not select device driver ${JSON.stringify(request.Driver.slice(0, 100))} with capabilities: [${capabilities}]`,
    );
  }
  if (request.Count !== 0) throw invalid('unexpected count in CDI device request');
  if (Object.keys(request.Options).length > 0) throw invalid('unexpected options in CDI device request');
  return request.DeviceIDs ?? [];
}

const byCode = (a: string, b: string): number => (a < b ? -1 : 1);

interface FoundSpecs {
  readonly specs: readonly CdiSpec[];
  /** Why files could not be used, each with its path: a device that is missing may be in one of them. */
  readonly failures: readonly string[];
}

async function readSpecs(directories: readonly string[], log: Logger): Promise<FoundSpecs> {
  const specs: CdiSpec[] = [];
  const failures: string[] = [];
  for (const directory of directories) {
    for (const name of (await readdir(directory).catch(() => [] as string[])).sort(byCode)) {
      if (!name.endsWith('.json') && !name.endsWith('.yaml')) continue;
      const path = join(directory, name);
      try {
        specs.push(await readSpec(path));
      } catch (error) {
        log.warn('a description of devices cannot be used', { path, reason: messageOf(error) });
        failures.push(`${path}: ${messageOf(error)}`);
      }
    }
  }
  return { specs, failures };
}

/** A description makes the runtime run programs as root: nobody else may have written it. */
async function readSpec(path: string): Promise<CdiSpec> {
  const { uid, mode, size } = await stat(path);
  if (uid !== 0 || (mode & 0o022) !== 0) throw invalid('it can be written by others than root');
  if (size > largestSpec) throw invalid(`it is larger than ${largestSpec} bytes`);
  const text = await readFile(path, 'utf8');
  return decodeCdiSpec(path.endsWith('.json') ? JSON.parse(text) : await parseYaml(text));
}

/**
 * YAML 1.1, in which CDI's own library reads it (`0644` is octal). Few hosts have such files: the parser is loaded for
 * them alone.
 */
async function parseYaml(text: string): Promise<unknown> {
  const { parse } = await import('yaml');
  return parse(text, { version: '1.1', logLevel: 'error' });
}

/** Edits of each description once, then of each device. @throws internal naming what there is no device for. */
function findEdits({ specs, failures }: FoundSpecs, names: readonly string[]): CdiEdits[] {
  const used = new Set<CdiSpec>();
  const edits: CdiEdits[] = [];
  const missing: string[] = [];
  for (const name of new Set(names)) {
    const [kind = '', device = ''] = name.split('=');
    const spec = specs.findLast((one) => one.kind === kind && one.devices.has(device));
    const found = spec?.devices.get(device);
    if (spec === undefined || found === undefined) missing.push(name);
    else {
      used.add(spec);
      edits.push(found);
    }
  }
  if (missing.length > 0) {
    const unusable = failures.length === 0 ? '' : ` (not usable: ${failures.join('; ').slice(0, 2000)})`;
    throw internal(
      `CDI device injection failed: unresolvable CDI devices ${missing.join(', ').slice(0, 1000)}${unusable}`,
    );
  }
  return [...[...used].map((spec) => spec.edits), ...edits];
}

async function joinEdits(all: readonly CdiEdits[], host: Pick<HostFacts, 'devicesAt'>): Promise<DeviceEdits> {
  const nodes = all.flatMap(({ deviceNodes = [] }) => deviceNodes);
  const devices = await Promise.all(nodes.map((node) => deviceOf(node, host)));
  return {
    env: all.flatMap(({ env = [] }) => env),
    devices,
    rules: nodes.flatMap((node, at) => ruleOf(devices[at], node)),
    mounts: all.flatMap(({ mounts = [] }) =>
      mounts.map(({ hostPath, containerPath, options = [] }) => ({ source: hostPath, target: containerPath, options })),
    ),
    hooks: hooksOf(all.flatMap(({ hooks = [] }) => hooks)),
    additionalGids: all.flatMap(({ additionalGids = [] }) => additionalGids),
  };
}

/** What the description leaves out is as on the host. */
async function deviceOf(node: CdiDeviceNode, host: Pick<HostFacts, 'devicesAt'>): Promise<OciDevice> {
  const hostPath = node.hostPath ?? node.path;
  const found = (await host.devicesAt(hostPath)).find(({ path }) => path === hostPath);
  const type = node.type === 'b' || node.type === 'c' || node.type === 'p' ? node.type : found?.type;
  const major = node.major ?? found?.major;
  const minor = node.minor ?? found?.minor;
  if (type === undefined || major === undefined || minor === undefined) {
    throw internal(`CDI device injection failed: ${JSON.stringify(hostPath.slice(0, 200))} is no device`);
  }
  const { fileMode = found?.fileMode, uid = found?.uid, gid = found?.gid } = node;
  return {
    path: node.path,
    type,
    major,
    minor,
    ...(fileMode === undefined ? {} : { fileMode }),
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
  };
}

function ruleOf(device: OciDevice | undefined, { permissions = 'rwm' }: CdiDeviceNode): DeviceEdits['rules'] {
  if (device === undefined || device.type === 'p') return [];
  if (!/^[rwm]{1,3}$/.test(permissions)) throw internal('CDI device injection failed: invalid permissions');
  return [{ allow: true, type: device.type, major: device.major, minor: device.minor, access: permissions }];
}

function hooksOf(all: readonly CdiHook[]): OciHooks {
  const hooks: OciHooks = {};
  for (const { hookName, path, args = [], env = [], timeout } of all) {
    if (!hookNames.includes(hookName)) {
      throw internal(`CDI device injection failed: unknown hook ${JSON.stringify(hookName.slice(0, 100))}`);
    }
    const name = hookName as OciHookName;
    const hook = { path, args: [...args], env: [...env], ...(timeout === undefined ? {} : { timeout }) };
    hooks[name] = [...(hooks[name] ?? []), hook];
  }
  return hooks;
}
