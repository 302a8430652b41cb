import { isDeepStrictEqual } from 'node:util';
import { conflict, invalid, messageOf } from '../../base/errors.ts';
import type { IdMapping } from '../../spec/contract/user-namespace.ts';
import type { HostConfig } from '../../spec/engine/container.ts';
import type { ContainerContext } from '../context.ts';
import type { ContainerEntry } from '../entry.ts';
import { parseUserNamespaceMode, type UserNamespaceMode } from './mode.ts';
import { freeIds, rangesAround } from './ranges.ts';

const joiningModes = ['NetworkMode', 'PidMode', 'IpcMode'] as const;
const prefix = 'container:';

/** Those containers whose namespaces a container joins that exist. */
function joinedContainers(ctx: ContainerContext, config: HostConfig): ContainerEntry[] {
  return joiningModes.flatMap((field) => {
    const mode = config[field];
    if (!mode.startsWith(prefix)) return [];
    try {
      return [ctx.table.find(mode.slice(prefix.length))];
    } catch {
      // The start tells.
      return [];
    }
  });
}

/**
 * The ids of a new container's user namespace; undefined for the host's. Ids of its own are reserved until the
 * choice is disposed of, when the container's record has them or the container did not come to be. A container that joins namespaces of
 * another one has that one's: elsewhere it would have no rights in them.
 * @throws invalid for wrong modes and, in Docker's words, for what cannot be together; unavailable without free ids.
 */
export function chooseIds(
  ctx: ContainerContext,
  config: HostConfig,
): Disposable & { readonly ids: IdMapping | undefined } {
  const mode = parseUserNamespaceMode(config.UsernsMode);
  const joined = joinedContainers(ctx, config);
  const [first] = joined;
  if (first !== undefined && (mode.kind === 'auto' || mode.kind === 'keep-id')) {
    throw invalid(`conflicting options: ${config.UsernsMode} and joining namespaces of another container`);
  }
  if (mode.kind === 'host') return { ids: undefined, [Symbol.dispose]: () => undefined };
  const ids = mode.kind === 'engine' ? (first?.record ?? ctx.settings.userNamespaces).ids : newIds(ctx, mode);
  if (ids === undefined) return { ids, [Symbol.dispose]: () => undefined };
  refuseHostNamespaces(config);
  ctx.reservedIds.add(ids);
  return { ids, [Symbol.dispose]: () => void ctx.reservedIds.delete(ids) };
}

function newIds(ctx: ContainerContext, mode: Extract<UserNamespaceMode, { size: number }>): IdMapping {
  const used = [...ctx.reservedIds, ...ctx.table.list().flatMap(({ record }) => record.ids ?? [])];
  const { auto, ids: engine } = ctx.settings.userNamespaces;
  if (engine !== undefined) used.push(engine);
  const kept = mode.kind === 'keep-id' ? mode : undefined;
  const uids = freeIds(
    auto.uids,
    used.flatMap((one) => one.uids),
    mode.size,
  );
  const gids = freeIds(
    auto.gids,
    used.flatMap((one) => one.gids),
    mode.size,
  );
  return { uids: rangesAround(uids, mode.size, kept?.uid), gids: rangesAround(gids, mode.size, kept?.gid) };
}

/** Docker's texts. */
function refuseHostNamespaces(config: HostConfig): void {
  if (config.Privileged) {
    throw invalid(
      'privileged mode is incompatible with user namespaces.  You must run the container in the host namespace when running privileged mode',
    );
  }
  if (config.NetworkMode === 'host') {
    throw invalid("cannot share the host's network namespace when user namespaces are enabled");
  }
  if (config.PidMode === 'host') {
    throw invalid('cannot share the host PID namespace when user namespaces are enabled');
  }
}

/** The user that a container runs as when it keeps somebody's ids and says nothing else; else undefined. */
export function keptUser(config: HostConfig): string | undefined {
  const mode = parseUserNamespaceMode(config.UsernsMode);
  return mode.kind === 'keep-id' ? `${mode.uid}:${mode.gid}` : undefined;
}

/**
 * The user namespace for a start: a new one, or that of the containers whose namespaces are joined; undefined for the
 * host's. The caller closes it. @throws conflict when those it joins have other ids.
 */
export async function openUserNamespace(ctx: ContainerContext, entry: ContainerEntry) {
  const { ids, hostConfig } = entry.record;
  const joined = joinedContainers(ctx, hostConfig);
  for (const other of joined) {
    if (isDeepStrictEqual(other.record.ids, ids)) continue;
    throw conflict(`cannot join namespaces of container ${other.id}: it has another user namespace`);
  }
  if (ids === undefined) return undefined;
  const state = joined[0]?.record.state;
  if (state?.phase !== 'running') return ctx.userNamespaces.create(ids);
  try {
    return ctx.userNamespaces.of(state.pid);
  } catch (error) {
    throw conflict(`cannot join namespaces of container ${joined[0]?.id}: ${messageOf(error)}`);
  }
}
