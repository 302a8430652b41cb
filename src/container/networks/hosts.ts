import type { EndpointSettings } from '../../spec/engine/container.ts';
import { type ContainerContext, dataDirectory } from '../context.ts';
import type { ContainerEntry } from '../entry.ts';

const addressesOf = ({ IPAddress, GlobalIPv6Address }: EndpointSettings): string[] =>
  [IPAddress, GlobalIPv6Address].filter((address) => address !== '');

/**
 * The container's own names in its /etc/hosts at the addresses of networks that come and go while it runs. The file is
 * written in place, as the container has it mounted.
 */
export async function changeOwnHosts(
  ctx: ContainerContext,
  entry: ContainerEntry,
  change: { readonly add?: EndpointSettings | undefined; readonly remove?: EndpointSettings | undefined },
): Promise<void> {
  const path = `${dataDirectory(ctx, entry.id)}/hosts`;
  const text = await ctx.host.read(path);
  if (text === undefined) return;
  const { Hostname, Domainname } = entry.record.config;
  const names = Domainname === '' ? Hostname : `${Hostname}.${Domainname} ${Hostname}`;
  const gone = new Set(change.remove === undefined ? [] : addressesOf(change.remove).map((one) => `${one}\t${names}`));
  const kept = text.split('\n').filter((line) => line !== '' && !gone.has(line));
  const added = change.add === undefined ? [] : addressesOf(change.add).map((one) => `${one}\t${names}`);
  const next = [...kept, ...added].map((line) => `${line}\n`).join('');
  await ctx.host.place([], [{ path, text: next, mode: 0o644 }]);
}
