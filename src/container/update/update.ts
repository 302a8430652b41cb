import { codeOf, conflict, EngineError, messageOf } from '../../base/errors.ts';
import type { UpdateContainerRequest, UpdateContainerView } from '../../spec/engine/update.ts';
import { commitRecord, type ContainerContext, containerEvent } from '../context.ts';
import type { ContainerEntry } from '../entry.ts';
import { limitsAlone, mergeLimits, validateUpdate } from './limits.ts';

/**
 * `docker update`: limits of a running container change at once, those of another one with its next start; the
 * restart policy counts from the container's next end on. Nothing is changed when any part of the request is wrong or
 * cannot be done.
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
  try {
    await entry.lock(() => changeLocked(ctx, entry, request));
  } catch (error) {
    throw new EngineError(codeOf(error), `Cannot update container ${entry.id}: ${messageOf(error)}`, { cause: error });
  }
  return { Warnings: warnings.length === 0 ? null : warnings };
}

async function changeLocked(
  ctx: ContainerContext,
  entry: ContainerEntry,
  request: UpdateContainerRequest,
): Promise<void> {
  if (entry.removing || entry.gone) throw conflict('container is marked for removal and cannot be "update"');
  const before = entry.record;
  const hostConfig = mergeLimits(before.hostConfig, request);
  const isRunning = entry.live !== undefined;
  if (isRunning) await ctx.launcher.update(entry.id, before.hostConfig, hostConfig);
  try {
    await commitRecord(ctx, entry, { hostConfig }, [containerEvent(before, 'update')]);
  } catch (error) {
    entry.record = before;
    if (isRunning) await ctx.launcher.update(entry.id, hostConfig, before.hostConfig);
    throw error;
  }
}
