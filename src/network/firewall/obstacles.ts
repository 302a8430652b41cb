import type { ForeignTable } from '../../sys/nftables/tables.ts';
import type { Publication } from './elements.ts';
import { Budget, judge, type Way } from './judge.ts';
import { letIn, letThrough } from './mend.ts';

/**
 * What other programs' firewalls do to packets of containers. A packet that any table drops is gone, whatever this
 * engine's table says, and those tables are not the engine's to change: so it tells people, and how to mend it.
 */

/** A chain of another program that drops what networks of the engine need to let through. */
export interface Obstacle {
  /** `ip`, `ip6`, `inet`. */
  readonly family: string;
  readonly table: string;
  readonly isLegacy: boolean;
  readonly chain: string;
  /** At the hook `forward`: the bridges that are cut off, at least one. */
  readonly bridges: readonly string[];
  /** At the hook `input`: the published ports that are closed, at least one. */
  readonly ports: readonly ReceivedPort[];
  /** A command that lets their packets through. */
  readonly mend: string;
}

/** A published port whose packets the host itself receives, so that rules for incoming packets decide about it. */
export interface ReceivedPort {
  readonly family: 4 | 6;
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  readonly port: number;
  /** `loopback`: what comes from `::1`. */
  readonly from: 'outside' | 'loopback';
}

/** A bridge that talks to the outside, and whether it has IPv4 and IPv6. */
interface OpenBridge {
  readonly name: string;
  readonly ipv4: boolean;
  readonly ipv6: boolean;
}

/**
 * The chains that drop new connections between a bridge and `outside`, the interface of the host's default route.
 * Rules that look at more than interfaces and the connection's state count neither for nor against.
 */
export function findObstacles(
  tables: readonly ForeignTable[],
  bridges: readonly OpenBridge[],
  outside: string | undefined,
): Obstacle[] {
  const budget = new Budget();
  return basesAt(tables, 'forward').flatMap(({ table, base }) => {
    const drops = (way: Pick<Way, 'in' | 'out' | 'published'>): boolean =>
      judge(table, base, { ...way, benefit: false }, budget) === 'drop';
    const cutOff = bridges
      .filter(({ ipv4, ipv6 }) => (ipv4 && sees(table, 4)) || (ipv6 && sees(table, 6)))
      .map(({ name }) => name)
      .filter(
        (name) =>
          drops({ in: name, out: outside, published: false }) || drops({ in: outside, out: name, published: true }),
      );
    if (cutOff.length === 0) return [];
    return [{ ...nameOf(table, base), bridges: cutOff, ports: [], mend: letThrough(table, base.name, cutOff) }];
  });
}

/** More are not named at once. */
const mostPorts = 16;

/**
 * The chains that drop new connections to published ports at the hook `input`, whoever the client is. Rules that look at
 * more than interfaces, state, protocol and port let in what they may let in.
 */
export function findClosed(
  tables: readonly ForeignTable[],
  ports: readonly ReceivedPort[],
  outside: string | undefined,
): Obstacle[] {
  const budget = new Budget();
  return basesAt(tables, 'input').flatMap(({ table, base }) => {
    const isClosed = ({ family, protocol, port, from }: ReceivedPort): boolean => {
      const way = { in: from === 'loopback' ? 'lo' : outside, out: undefined, published: false, benefit: true };
      const version = family === 4 ? 2 : 10;
      const packet = { ...way, version, protocol: protocolNumbers[protocol], port };
      return sees(table, family) && judge(table, base, packet, budget) === 'drop';
    };
    const closed = ports.filter(isClosed).slice(0, mostPorts);
    if (closed.length === 0) return [];
    return [{ ...nameOf(table, base), bridges: [], ports: closed, mend: letIn(table, base.name, closed) }];
  });
}

const protocolNumbers: Readonly<Record<ReceivedPort['protocol'], number>> = { tcp: 6, udp: 17, sctp: 132 };

const basesAt = (tables: readonly ForeignTable[], hook: 'forward' | 'input') =>
  tables.flatMap((table) => table.bases.filter((base) => base.hook === hook).map((base) => ({ table, base })));

const sees = ({ family }: ForeignTable, version: 4 | 6): boolean =>
  family === 'inet' || family === (version === 4 ? 'ip' : 'ip6');

const nameOf = ({ family, name, isLegacy }: ForeignTable, base: { readonly name: string }) => ({
  family,
  table: name,
  isLegacy,
  chain: base.name,
});

/**
 * Which published ports the host itself receives: those that the host's rules decide about, and those that the proxy process
 * serves, for IPv6 clients of containers with IPv4 only and for `::1`.
 */
export function receivedPorts(publications: Iterable<Publication>): ReceivedPort[] {
  const found = new Map<string, ReceivedPort>();
  for (const { hostIp, hostPort, protocol, hostRules, target } of publications) {
    if (hostPort === 0 || hostIp.startsWith('127.')) continue;
    const family = hostIp.includes(':') ? 6 : 4;
    const isProxied = family === 6 && protocol !== 'sctp';
    const places = [
      ...(hostIp !== '::1' && (hostRules === true || (isProxied && target.family === 4)) ? (['outside'] as const) : []),
      ...(isProxied && (hostIp === '::' || hostIp === '::1') ? (['loopback'] as const) : []),
    ];
    for (const from of places) {
      found.set([family, protocol, hostPort, from].join(), { family, protocol, port: hostPort, from });
    }
  }
  return [...found.values()];
}

export function describeObstacle({ family, table, isLegacy, chain, bridges, ports, mend }: Obstacle): string {
  const where = `the firewall chain ${chain} of the table ${family} ${table}${isLegacy ? ' of legacy iptables' : ''}`;
  if (ports.length > 0) {
    const named = ports.map(({ port, protocol, family: version, from }) => {
      const client = from === 'loopback' ? ' from ::1' : version === 6 ? ' by IPv6' : '';
      return `${port}/${protocol}${client}`;
    });
    return `${where} drops packets to published ports that the host receives itself (${few(named)}); to let them in: ${mend}`;
  }
  return `${where} drops packets of containers (${few(bridges)}); to let them through: ${mend}`;
}

const few = (names: readonly string[]): string =>
  names.length > 3 ? `${names.slice(0, 3).join(', ')} and ${names.length - 3} more` : names.join(', ');
