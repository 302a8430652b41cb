import { netlinkFamily, NetlinkSocket } from '../netlink/socket.ts';
import { chainsIn, dumpChains, dumpElements, dumpRules, type ForeignChain, hookNumbers, keysIn } from './encode.ts';
import { type ForeignRule, ruleIn } from './foreign.ts';
import type { Hook } from './ruleset.ts';

/** A table of any program with chains at a hook. */
export interface ForeignTable {
  /** As nft(8) has it: `ip`, `ip6`, `inet`. */
  readonly family: string;
  readonly name: string;
  /** The chains at the hook, and whether they drop what no rule decides about. */
  readonly bases: readonly { readonly name: string; readonly drops: boolean }[];
  /** The names of all chains. */
  readonly chains: ReadonlySet<string>;
  readonly rules: ReadonlyMap<string, readonly ForeignRule[]>;
}

/** Room for what the kernel answers while it is read. */
const answerBytes = 1 << 20;

/**
 * The tables of all programs that have a chain at `hook`, with their rules: as much of them as `ForeignRule` tells.
 * Some milliseconds
 * for a thousand rules: for the syscall worker. @throws NetlinkError, SystemError.
 */
export function foreignTablesAt(hook: Hook): ForeignTable[] {
  using socket = new NetlinkSocket(netlinkFamily.netfilter);
  socket.reserve(answerBytes);
  const chains = chainsIn(socket.query(dumpChains(), 'reading firewall chains'));
  const isThere = ({ base }: ForeignChain): boolean => base?.hook === hookNumbers[hook];
  const tables = new Map<string, ForeignTable>();
  for (const { familyNumber, family, table } of chains.filter(isThere)) {
    const key = `${family} ${table}`;
    if (tables.has(key)) continue;
    const rules = new Map<string, ForeignRule[]>();
    const keysOf = (set: string) =>
      keysIn(socket.query(dumpElements(familyNumber, table, set), `reading the set ${set} of ${key}`));
    for (const message of socket.query(dumpRules(familyNumber, table), `reading rules of ${key}`)) {
      const { chain, rule } = ruleIn(message, keysOf);
      const found = rules.get(chain);
      if (found === undefined) rules.set(chain, [rule]);
      else found.push(rule);
    }
    const own = chains.filter((chain) => chain.table === table && chain.family === family);
    const bases = own.filter(isThere).map(({ name, base }) => ({ name, drops: base?.drops === true }));
    tables.set(key, { family, name: table, bases, chains: new Set(own.map(({ name }) => name)), rules });
  }
  return [...tables.values()];
}
