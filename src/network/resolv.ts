/**
 * A container's resolv.conf(5) out of the host's. Name servers on the host's loopback cannot be reached out of a
 * namespace of its own and are left out; so are IPv6 ones, as the networks have no IPv6.
 */

export interface ResolverChoice {
  readonly dns: readonly string[];
  readonly search: readonly string[];
  readonly options: readonly string[];
}

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
  const search = own.search.length > 0 ? own.search.filter((domain) => domain !== '.') : host.search;
  const options = own.options.length > 0 ? own.options : host.options;
  const lines = ['# Made by Gantry for this container; it is written again at each start.'];
  for (const server of servers) lines.push(`nameserver ${server}`);
  if (search.length > 0) lines.push(`search ${search.join(' ')}`);
  if (options.length > 0) lines.push(`options ${options.join(' ')}`);
  return `${lines.join('\n')}\n`;
}

const isLoopback = (server: string): boolean =>
  server.startsWith('127.') || server === '::1' || server.startsWith('::1%');
