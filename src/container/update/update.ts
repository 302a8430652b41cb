import { codeOf, conflict, EngineError, messageOf } from '../../base/errors.ts';
import { Scope } from '../../base/scope.ts';
import type { UpdateContainerRequest, UpdateContainerView } from '../../spec/engine/update.ts';
import { commitRecord, type ContainerContext, containerEvent } from '../context.ts';
import { networkSysctls } from '../create/sysctls.ts';
import type { ContainerEntry } from '../entry.ts';
import type { ContainerRecord } from '../record.ts';
import { restartContainer } from '../restart.ts';
import { volumeEvents } from '../volume-use.ts';
import { mergeEnvironment, mergeLabels } from './environment.ts';
import { limitsAlone, mergeLimits, validateUpdate } from './limits.ts';
import { changeMounts, type PlannedMounts, planMounts, releaseVolumes, settingsWithMounts } from './mounts.ts';
import { type PlannedPorts, planPorts } from './ports.ts';
import { type PlannedRates, planRates } from './rates.ts';

/**
 * `docker update`: limits of a running container change at once, those of another one with its next start; the
 * restart policy counts from the container's next end on. The additions change published ports, environment, labels and
 * mounts of a container that exists, at once where the kernel can; the answer names what waits for the next start, and
 * `Restart` makes that happen now. Nothing is changed when any part of the request is wrong or cannot be done.
 * @throws invalid, conflict; what concerns this container begins with `Cannot update container`.
 */
export async function updateContainer(
  ctx: ContainerContext,
  find: () => ContainerEntry,
  request: UpdateContainerRequest,
): Promise<UpdateContainerView> {
  const warnings = validateUpdate(request, ctx.settings);
  warnings.push(...(await ctx.runtimeSettings.check(limitsAlone(request.limits))));
  const entry = find();
  const view: UpdateContainerView = { Warnings: warnings.length === 0 ? null : warnings };
  try {
    const pending = await entry.lock(() => changeLocked(ctx, entry, request));
    if (request.changes === undefined) return view;
    const restarts = request.changes.Restart && pending.length > 0;
    if (restarts) await restartContainer(ctx, entry, {});
    return { ...view, Pending: restarts ? [] : pending, Restarted: restarts };
  } catch (error) {
    throw new EngineError(codeOf(error), `Cannot update container ${entry.id}: ${messageOf(error)}`, { cause: error });
  }
}

interface Plan {
  readonly change: Pick<ContainerRecord, 'config' | 'hostConfig'> & Partial<Pick<ContainerRecord, 'endpoints'>>;
  readonly ports: PlannedPorts | undefined;
  readonly mounts: PlannedMounts | undefined;
  readonly rates?: PlannedRates | undefined;
}

/** Everything that can be known to be wrong before anything is changed. */
function planUpdate(ctx: ContainerContext, entry: ContainerEntry, request: UpdateContainerRequest): Plan {
  if (entry.removing || entry.gone) throw conflict('container is marked for removal and cannot be "update"');
  const { record } = entry;
  const hostConfig = mergeLimits(record.hostConfig, request);
  const { changes } = request;
  if (changes === undefined) {
    return { change: { config: record.config, hostConfig }, ports: undefined, mounts: undefined };
  }
  const config = {
    ...record.config,
    Env: mergeEnvironment(record.config.Env, changes.EnvAdd, changes.EnvRemove),
    Labels: mergeLabels(record.config.Labels, changes.LabelAdd, changes.LabelRemove),
  };
  const ports = planPorts(record, { add: changes.PublishAdd, remove: changes.PublishRemove });
  const mounts = planMounts(record, changes.MountAdd, changes.MountRemove);
  const rates = planRates(ctx, record, changes.NetworkRates);
  const change = { config, hostConfig, ...(rates === undefined ? {} : { endpoints: rates.endpoints }) };
  if (mounts !== undefined) {
    const settings = settingsWithMounts({ ...record, ...change }, mounts);
    change.hostConfig = settings.hostConfig;
    change.config = { ...config, Volumes: settings.volumes };
  }
  if (ports !== undefined) {
    change.hostConfig = { ...change.hostConfig, PortBindings: ports.portBindings };
    change.config = { ...change.config, ExposedPorts: ports.exposedPorts };
    validatePorts(ctx, record, change);
  }
  return { change, ports, mounts, rates };
}

function validatePorts(ctx: ContainerContext, record: ContainerRecord, { config, hostConfig }: Plan['change']): void {
  ctx.networks.validate({
    networkMode: hostConfig.NetworkMode,
    endpoints: record.endpoints,
    detached: record.detached,
    exposedPorts: Object.keys(config.ExposedPorts ?? {}),
    portBindings: hostConfig.PortBindings,
    publishAll: hostConfig.PublishAllPorts,
    sysctls: networkSysctls(hostConfig),
  });
}

/** Gives what waits for the next start. */
async function changeLocked(
  ctx: ContainerContext,
  entry: ContainerEntry,
  request: UpdateContainerRequest,
): Promise<readonly string[]> {
  const { change, ports, mounts, rates } = planUpdate(ctx, entry, request);
  const before = entry.record;
  const isRunning = entry.live !== undefined;
  await using scope = new Scope();
  if (isRunning) {
    await scope.acquire(ctx.launcher.update(entry.id, before.hostConfig, change.hostConfig), () =>
      ctx.launcher.update(entry.id, change.hostConfig, before.hostConfig),
    );
  }
  let { sandbox } = before;
  if (isRunning && ports !== undefined) {
    ({ sandbox } = await scope.acquire(ctx.networks.changePorts(entry.id, ports), (changed) => changed.undo()));
  }
  if (isRunning && rates !== undefined) {
    const changing = ctx.networks.changeRates(entry.id, rates.changed);
    ({ sandbox } = await scope.acquire(changing, (changedRates) => changedRates.undo()));
  }
  const changed = mounts === undefined ? undefined : await changeMounts(ctx, entry, mounts, scope);
  scope.defer(() => {
    entry.record = before;
  });
  const events = isRunning
    ? [
        ...volumeEvents({ ...before, mounts: changed?.added ?? [] }, 'mount'),
        ...volumeEvents({ ...before, mounts: mounts?.removed ?? [] }, 'unmount'),
      ]
    : [];
  await commitRecord(ctx, entry, { ...change, sandbox, mounts: changed?.mounts ?? before.mounts }, [
    ...events,
    containerEvent({ ...before, config: change.config }, 'update'),
  ]);
  scope.commit();
  if (mounts !== undefined) await releaseVolumes(ctx, entry, before.mounts);
  const environment = isRunning && change.config.Env.join('\0') !== before.config.Env.join('\0');
  return [...(environment ? ['environment: of the process that runs already'] : []), ...(changed?.pending ?? [])];
}
