import type { ForeignTable } from '../../sys/nftables/tables.ts';
import type { ForeignCondition } from '../../sys/nftables/foreign.ts';

/**
 * What other programs' firewalls do to packets of containers. A packet that any table drops is gone, whatever this
 * engine's table says, and those tables are not the engine's to change: so it tells people, and how to mend it.
 */

/** A chain of another program that drops what networks of the engine need to let through. */
export interface Obstacle {
  /** `ip`, `ip6`, `inet`. */
  readonly family: string;
  readonly table: string;
  readonly chain: string;
  /** The bridges that are cut off, at least one. */
  readonly bridges: readonly string[];
  /** A command that lets their packets through. */
  readonly mend: string;
}

/** Beginnings of connections through the host. Undefined: an interface of which nothing is known. */
interface Way {
  readonly in: string | undefined;
  readonly out: string | undefined;
  /** `ct status`: destination NAT was done. */
  readonly published: boolean;
}

/**
 * The chains that drop new connections between a bridge and `outside`, the interface of the host's default route.
 * Rules that look at more than interfaces and the connection's state count neither for nor against.
 * @param bridges those that talk to the outside, and whether they have IPv4 and IPv6
 */
export function findObstacles(
  tables: readonly ForeignTable[],
  bridges: readonly { readonly name: string; readonly ipv4: boolean; readonly ipv6: boolean }[],
  outside: string | undefined,
): Obstacle[] {
  const budget = { steps: mostSteps };
  return tables.flatMap((table) => {
    const seen = bridges.filter(({ ipv4, ipv6 }) =>
      table.family === 'ip' ? ipv4 : table.family === 'ip6' ? ipv6 : true,
    );
    return table.bases.flatMap((base) => {
      const drops = (way: Way): boolean => judge(table, base, way, budget) === 'drop';
      const cutOff = seen
        .map(({ name }) => name)
        .filter(
          (name) =>
            drops({ in: name, out: outside, published: false }) || drops({ in: outside, out: name, published: true }),
        );
      if (cutOff.length === 0) return [];
      const { family, name } = table;
      return [{ family, table: name, chain: base.name, bridges: cutOff, mend: mendOf(table, base.name, cutOff) }];
    });
  });
}

export function describeObstacle({ family, table, chain, bridges, mend }: Obstacle): string {
  const whose =
    bridges.length > 3 ? `${bridges.slice(0, 3).join(', ')} and ${bridges.length - 3} more` : bridges.join(', ');
  return `the firewall chain ${chain} of the table ${family} ${table} drops packets of containers (${whose}); to let them through: ${mend}`;
}

/** Chains may jump to each other only so deep (NFT_JUMP_STACK_SIZE). */
const deepestJump = 16;
/** Rules that are looked at in one go, a few milliseconds: what is larger than anybody's rule book is not judged. */
const mostSteps = 200_000;

type Verdict = 'accept' | 'drop';

function judge(
  table: ForeignTable,
  base: { readonly name: string; readonly drops: boolean },
  way: Way,
  budget: { steps: number },
): Verdict {
  /** Undefined: the chain's end was reached. */
  const run = (chain: string, depth: number): Verdict | undefined => {
    if (depth > deepestJump) return undefined;
    for (const { conditions, verdict } of table.rules.get(chain) ?? []) {
      if (--budget.steps < 0) return 'accept';
      if (verdict === undefined || !conditions.every((condition) => holds(condition, way))) continue;
      if (!('chain' in verdict)) return verdict.do === 'return' ? undefined : verdict.do;
      const decided = run(verdict.chain, depth + 1);
      if (decided !== undefined || verdict.do === 'goto') return decided;
    }
    return undefined;
  };
  return run(base.name, 0) ?? (base.drops ? 'drop' : 'accept');
}

/** NF_CT_STATE_BIT(IP_CT_NEW), and IPS_DST_NAT. */
const stateNew = 8;
const statusDestinationNat = 1 << 5;

function holds(condition: ForeignCondition, way: Way): boolean {
  switch (condition.on) {
    case 'in-interface':
    case 'out-interface': {
      const name = condition.on === 'in-interface' ? way.in : way.out;
      return condition.names.some((bytes) => isNamed(name, bytes)) !== condition.not;
    }
    case 'state':
      return ((condition.bits & stateNew) !== 0) !== condition.not;
    case 'status':
      return (way.published && (condition.bits & statusDestinationNat) !== 0) !== condition.not;
    case 'other':
      return false;
  }
}

/** Names are compared with their NULs; fewer bytes are a beginning (`br-*`). */
function isNamed(name: string | undefined, bytes: Uint8Array): boolean {
  if (name === undefined) return false;
  const padded = Buffer.alloc(Math.max(16, bytes.length));
  padded.write(name);
  return padded.subarray(0, bytes.length).equals(bytes);
}

/** In the language of the program whose table it is, so that it stays when that program writes its rules anew. */
function mendOf(table: ForeignTable, chain: string, bridges: readonly string[]): string {
  const each = (command: (bridge: string, way: 'in' | 'out') => string): string =>
    bridges.flatMap((bridge) => [command(bridge, 'in'), command(bridge, 'out')]).join(' && ');
  if ([...table.chains].some((name) => /^ufw6?-/.test(name))) {
    return each((bridge, way) => `ufw route allow ${way} on ${bridge}`);
  }
  if (table.name === 'firewalld') {
    const add = bridges.map((bridge) => `firewall-cmd --permanent --zone=trusted --add-interface=${bridge}`);
    return [...add, 'firewall-cmd --reload'].join(' && ');
  }
  if (table.name === 'filter' && table.family !== 'inet' && chain === 'FORWARD') {
    const program = table.family === 'ip6' ? 'ip6tables' : 'iptables';
    const into = table.chains.has('DOCKER-USER') ? 'DOCKER-USER' : chain;
    return each((bridge, way) => `${program} -I ${into} -${way === 'in' ? 'i' : 'o'} ${bridge} -j ACCEPT`);
  }
  const place = `${table.family} ${quoted(table.name)} ${quoted(chain)}`;
  const rules = ['iifname', 'oifname'].map(
    (side) => `insert rule ${place} ${side} { ${bridges.map((bridge) => JSON.stringify(bridge)).join(', ')} } accept`,
  );
  return `nft '${rules.join('; ')}'`;
}

/** Names of tables and chains are other programs': only harmless ones are shown as they are. */
const quoted = (name: string): string => (/^[A-Za-z0-9_.-]{1,64}$/.test(name) ? name : '<name>');
