import { messageOf } from '../../base/errors.ts';
import { type ContainerContext, dataDirectory } from '../context.ts';
import type { ContainerEntry } from '../entry.ts';
import { linkedContainers, type LinkRecord } from './links.ts';

/** One line of a hosts file: an address and the names that mean it. */
interface HostLine {
  readonly address: string;
  readonly names: readonly string[];
}

/** The lines of /etc/hosts for the containers that one is linked to: alias, host name, container's name. */
export function linkHosts(ctx: ContainerContext, entry: ContainerEntry): HostLine[] {
  return linkedContainers(ctx, entry, 'all').flatMap(({ link, entry: other, addresses }) => {
    const names = [...new Set([link.alias, other.record.config.Hostname, other.record.name])].filter(Boolean);
    return addresses.map((address) => ({ address, names }));
  });
}

/** A container that was started anew may have another address: those that are linked to it and run learn of it. */
export async function updateLinkedHosts(ctx: ContainerContext, entry: ContainerEntry): Promise<void> {
  const endpoint = entry.record.sandbox?.endpoints['bridge'];
  if (endpoint === undefined || endpoint.IPAddress === '') return;
  for (const other of ctx.table.list()) {
    const link = other.record.links?.find(({ id }) => id === entry.id);
    if (link === undefined || !other.isRunning) continue;
    await updateHosts(ctx, other, link, endpoint.IPAddress).catch((error: unknown) =>
      ctx.log.warn('the hosts of a linked container are out of date', { container: other.id, error: messageOf(error) }),
    );
  }
}

/** Written in place: the container has the file itself mounted. */
async function updateHosts(
  ctx: ContainerContext,
  entry: ContainerEntry,
  { alias }: LinkRecord,
  address: string,
): Promise<void> {
  const path = `${dataDirectory(ctx, entry.id)}/hosts`;
  const text = await ctx.host.read(path);
  if (text === undefined) return;
  const lines = text.split('\n').map((line) => {
    const [old = '', names = ''] = line.split('\t');
    const isIt = old.includes('.') && names.split(' ').includes(alias);
    return isIt ? `${address}\t${names}` : line;
  });
  await ctx.host.place([], [{ path, text: lines.join('\n'), mode: 0o644 }]);
}
