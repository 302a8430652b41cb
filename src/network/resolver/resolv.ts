import { hash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { ResolverChoice } from '../../spec/contract/network.ts';
import type { Upstream } from '../../spec/resolver/names.ts';

/**
 * A container's resolv.conf(5) out of the host's. Without a name server of its own: name servers on the host's loopback cannot be reached out of a
 * namespace of its own and are left out; so are IPv6 ones, as the networks have no IPv6.
 */

/** Where a container without a reachable name server is sent, as Docker does. */
const publicServers = ['8.8.8.8', '8.8.4.4'];

interface ResolvConf {
  readonly servers: string[];
  readonly search: string[];
  readonly options: string[];
}

/** The parts of a resolv.conf that matter; the last `search` or `domain` wins, as in the resolver. */
function parseResolvConf(text: string): ResolvConf {
  const found: { servers: string[]; search: string[]; options: string[] } = { servers: [], search: [], options: [] };
  for (const line of text.split('\n')) {
    const [keyword, ...words] = line
      .replaceAll('\t', ' ')
      .split(' ')
      .filter((word) => word !== '');
    if (keyword === 'nameserver' && words[0] !== undefined) found.servers.push(words[0]);
    else if (keyword === 'search' || keyword === 'domain') found.search = words;
    else if (keyword === 'options') found.options.push(...words);
  }
  return found;
}

/** True when the file names the stub of systemd-resolved and nothing else: the real servers are in its own file. */
export function isResolvedStub(text: string): boolean {
  const { servers } = parseResolvConf(text);
  return servers.length > 0 && servers.every((server) => server === '127.0.0.53');
}

/** Where a container's questions about names outside go. */
export interface Forwarding {
  readonly upstreams: readonly Upstream[];
  /** Somebody chose `ndots`. */
  readonly dotted: boolean;
}

/** Where containers on networks with names ask. */
const nameServer = '127.0.0.11';
/** As many as the C library asks. */
const mostUpstreams = 3;

/** What the own settings leave open is the operator's choice. */
export const withDefaults = (own: ResolverChoice, defaults: ResolverChoice | undefined): ResolverChoice => ({
  dns: own.dns.length > 0 ? own.dns : (defaults?.dns ?? []),
  search: own.search.length > 0 ? own.search : (defaults?.search ?? []),
  options: own.options.length > 0 ? own.options : (defaults?.options ?? []),
});

/** The host's file, or the one behind the stub that it names, read anew each time: laptops change networks. */
export async function readHostFile({ stub }: { readonly stub: boolean }): Promise<string> {
  const read = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '');
  const text = await read('/etc/resolv.conf');
  const real = !stub && isResolvedStub(text) ? await read('/run/systemd/resolve/resolv.conf') : '';
  return real === '' ? text : real;
}

/** The host's servers are asked from the host, those that somebody chose for the container from its own namespace. */
export function forwardingOf(hostFile: string, own: ResolverChoice): Forwarding {
  const host = parseResolvConf(hostFile);
  const isOwn = own.dns.length > 0;
  const upstreams = (isOwn ? own.dns : host.servers)
    .filter((address) => !isOwn || address !== nameServer)
    .slice(0, mostUpstreams)
    .map((address) => ({ address, from: isOwn ? ('container' as const) : ('host' as const) }));
  const options = own.options.length > 0 ? own.options : host.options;
  return { upstreams, dotted: options.some(isDotsOption) };
}

const isDotsOption = (option: string): boolean => /^ndots:\d+$/.test(option);

/** The file of a container that has a name server. Names of containers have no dots, so they are asked for as they are. */
export function servedResolvConf(hostFile: string, own: ResolverChoice): string {
  const host = parseResolvConf(hostFile);
  const options = (own.options.length > 0 ? own.options : host.options).filter(
    (option) => !option.startsWith('ndots') || isDotsOption(option),
  );
  return render({
    servers: [nameServer],
    search: searchOf(host, own),
    options: options.some(isDotsOption) ? options : [...options, 'ndots:0'],
  });
}

const searchOf = (host: ResolvConf, own: ResolverChoice): string[] =>
  own.search.length > 0 ? own.search.filter((domain) => domain !== '.') : host.search;

/**
 * The file for a container. `own` are the container's settings, each replacing the host's part of its kind; a search
 * domain of `.` means none. With `sharesHost` (the host's namespace) loopback servers stay.
 */
export function containerResolvConf(hostFile: string, own: ResolverChoice, sharesHost: boolean): string {
  if (sharesHost && own.dns.length + own.search.length + own.options.length === 0) return hostFile;
  const host = parseResolvConf(hostFile);
  const reachable = sharesHost
    ? host.servers
    : host.servers.filter((server) => !isLoopback(server) && !server.includes(':'));
  const servers = own.dns.length > 0 ? own.dns : reachable.length > 0 || sharesHost ? reachable : publicServers;
  const options = own.options.length > 0 ? own.options : host.options;
  return render({ servers: [...servers], search: searchOf(host, own), options: [...options] });
}

function render({ servers, search, options }: ResolvConf): string {
  const lines = servers.map((server) => `nameserver ${server}`);
  if (search.length > 0) lines.push(`search ${search.join(' ')}`);
  if (options.length > 0) lines.push(`options ${options.join(' ')}`);
  return withHead(`${lines.join('\n')}\n`);
}

/** Says at the top what the rest was, so that an edited file can be told. */
const withHead = (rest: string): string =>
  `# Made by Gantry for this container; it is written again at each start.\n# Until it is edited: ${sumOf(rest)}\n${rest}`;

const sumOf = (text: string): string => hash('sha256', text).slice(0, 16);

/** True for a file that is as the engine wrote it. */
export function isUnedited(text: string): boolean {
  const [, sum, rest] = /^#[^\n]*\n# Until it is edited: ([0-9a-f]{16})\n([^]*)$/.exec(text) ?? [];
  return rest !== undefined && sum === sumOf(rest);
}

const isLoopback = (server: string): boolean =>
  server.startsWith('127.') || server === '::1' || server.startsWith('::1%');
