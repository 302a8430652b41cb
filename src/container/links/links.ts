import { EngineError, internal, invalid, messageOf } from '../../base/errors.ts';
import type { ContainerId } from '../../base/ids.ts';
import type { HostConfig } from '../../spec/engine/container.ts';
import { commitRecord, type ContainerContext } from '../context.ts';
import type { ContainerEntry } from '../entry.ts';

/**
 * A link of Docker's first years (`--link other:alias`, on the default bridge only): the container finds the other one
 * under the alias, and has its environment. `name` is what the other one was called then.
 */
export interface LinkRecord {
  readonly id: ContainerId;
  readonly name: string;
  readonly alias: string;
}

/**
 * `other`, `other:alias`, or as an inspected container shows it: `/other:/this/alias`.
 * @throws EngineError `invalid` in Docker's words.
 */
export function parseLink(text: string): { readonly name: string; readonly alias: string } {
  const parts = text.split(':');
  const [name = '', alias = name] = parts;
  if (text === '' || parts.length > 2) throw invalid(`bad format for links: ${text.slice(0, 200)}`);
  if (!name.startsWith('/')) return { name, alias };
  return { name: name.slice(1), alias: alias.slice(alias.lastIndexOf('/') + 1) };
}

/** User-defined networks have names of their own. */
const usesBridge = (mode: string): boolean => mode === '' || mode === 'default' || mode === 'bridge';

/**
 * The containers that a new one is linked to, each alias once: the first one counts.
 * @throws EngineError `invalid` when there is no such container, or one that shares the host's network.
 */
export function makeLinks(ctx: ContainerContext, host: HostConfig): LinkRecord[] {
  if (!usesBridge(host.NetworkMode)) return [];
  const links = new Map<string, LinkRecord>();
  for (const { name, alias } of (host.Links ?? []).map(parseLink)) {
    const other = networkOwner(ctx, name);
    if (other.record.hostConfig.NetworkMode === 'host') {
      throw invalid(
        "conflicting options: host type networking can't be used with links. This would result in undefined behavior",
      );
    }
    if (!links.has(alias)) links.set(alias, { id: other.id, name: other.record.name, alias });
  }
  return [...links.values()];
}

/** The container whose network it is. With `not-found` clients would take the image for missing, and pull it. */
function networkOwner(ctx: ContainerContext, nameOrId: string): ContainerEntry {
  let wanted = nameOrId;
  for (let depth = 0; depth < 16; depth++) {
    let entry: ContainerEntry;
    try {
      entry = ctx.table.find(wanted);
    } catch (error) {
      throw invalid(`could not get container for ${wanted}: ${messageOf(error)}`, error);
    }
    const mode = entry.record.hostConfig.NetworkMode;
    if (!mode.startsWith('container:')) return entry;
    wanted = mode.slice('container:'.length);
  }
  throw invalid(`could not get container for ${nameOrId}: too many containers share its network`);
}

/** The full name of a link: `/container/alias`. */
export const linkName = (entry: ContainerEntry, { alias }: LinkRecord): string => `/${entry.record.name}/${alias}`;

const currentName = (ctx: ContainerContext, link: LinkRecord): string =>
  ctx.table.get(link.id)?.record.name ?? link.name;

/** `HostConfig.Links` of an inspected container: `/other:/container/alias`; null without any. */
export function viewLinks(ctx: ContainerContext, entry: ContainerEntry): string[] | null {
  const links = entry.record.links ?? [];
  return links.length === 0 ? null : links.map((link) => `/${currentName(ctx, link)}:${linkName(entry, link)}`);
}

/** The names under which others know a container, by the links that they have to it. */
export function namesByLinks(entries: readonly ContainerEntry[]): ReadonlyMap<ContainerId, string[]> {
  const names = new Map<ContainerId, string[]>();
  for (const entry of entries) {
    for (const link of entry.record.links ?? []) {
      names.set(link.id, [...(names.get(link.id) ?? []), linkName(entry, link)]);
    }
  }
  return names;
}

/** A linked container that runs. */
export interface LinkedContainer {
  readonly link: LinkRecord;
  readonly entry: ContainerEntry;
  readonly addresses: readonly string[];
}

/**
 * Those that a container is linked to. `running`: only those that run are of interest.
 * @throws internal in Docker's words when one of them does not run, or has left the default bridge.
 */
export function linkedContainers(
  ctx: ContainerContext,
  entry: ContainerEntry,
  which: 'all' | 'running',
): LinkedContainer[] {
  const links = entry.record.links ?? [];
  const chosen = which === 'all' ? links : links.filter(({ id }) => ctx.table.get(id)?.isRunning === true);
  return chosen.map((link) => {
    const other = ctx.table.get(link.id);
    if (other?.isRunning !== true) {
      throw internal(`Cannot link to a non running container: /${currentName(ctx, link)} AS ${linkName(entry, link)}`);
    }
    const endpoint = other.record.sandbox?.endpoints['bridge'];
    if (endpoint === undefined) {
      throw internal(`Cannot link to /${other.record.name}, as it does not belong to the default network`);
    }
    const addresses = [endpoint.IPAddress, endpoint.GlobalIPv6Address].filter((address) => address !== '');
    return { link, entry: other, addresses };
  });
}

/**
 * `docker rm --link container/alias`. @throws conflict for the name of a container itself, not-found for no link.
 */
export async function removeLink(ctx: ContainerContext, name: string): Promise<void> {
  ctx.table.find(name);
  const plain = name.startsWith('/') ? name.slice(1) : name;
  const slash = plain.indexOf('/');
  if (slash < 0) throw internal('Conflict, cannot remove the default link name of the container');
  const parent = ctx.table.find(plain.slice(0, slash));
  await parent.lock(async () => {
    const links = (parent.record.links ?? []).filter(({ alias }) => alias !== plain.slice(slash + 1));
    if (links.length === parent.record.links?.length) {
      throw new EngineError('not-found', `No such container: ${name}`);
    }
    await commitRecord(ctx, parent, { links });
  });
}
