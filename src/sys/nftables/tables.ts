import { linkName } from '../netlink/plug.ts';
import { netlinkFamily, NetlinkSocket } from '../netlink/socket.ts';
import { chainsIn, dumpChains, dumpElements, dumpRules, type ForeignChain, hookNumbers, keysIn } from './encode.ts';
import { type ForeignRule, ruleIn } from './foreign.ts';
import type { Hook } from './ruleset.ts';

/** A table of any program with chains at hooks. */
export interface ForeignTable {
  /** As nft(8) has it: `ip`, `ip6`, `inet`. */
  readonly family: string;
  readonly name: string;
  /** One of legacy iptables, which the kernel keeps apart from those of nftables. */
  readonly isLegacy: boolean;
  /** The chains at the hooks that were asked for, and whether they drop what no rule decides about. */
  readonly bases: readonly { readonly name: string; readonly hook: Hook; readonly drops: boolean }[];
  /** The names of all chains. */
  readonly chains: ReadonlySet<string>;
  readonly rules: ReadonlyMap<string, readonly ForeignRule[]>;
}

/** Room for what the kernel answers while it is read. */
const answerBytes = 1 << 20;

/**
 * The tables of nftables that have a chain at one of the hooks, of all programs, with their rules: as much of them as
 * `ForeignRule` tells. Some milliseconds for a thousand rules: for the syscall worker. @throws NetlinkError, SystemError.
 */
export function foreignTables(hooks: readonly Hook[]): ForeignTable[] {
  using socket = new NetlinkSocket(netlinkFamily.netfilter);
  socket.reserve(answerBytes);
  const chains = chainsIn(socket.query(dumpChains(), 'reading firewall chains'));
  const hookOf = ({ base }: ForeignChain): Hook | undefined => hooks.find((hook) => hookNumbers[hook] === base?.hook);
  const tables = new Map<string, ForeignTable>();
  for (const { familyNumber, family, table } of chains.filter((chain) => hookOf(chain) !== undefined)) {
    const key = `${family} ${table}`;
    if (tables.has(key)) continue;
    const rules = new Map<string, ForeignRule[]>();
    const keysOf = (set: string) =>
      keysIn(socket.query(dumpElements(familyNumber, table, set), `reading the set ${set} of ${key}`));
    for (const message of socket.query(dumpRules(familyNumber, table), `reading rules of ${key}`)) {
      const { chain, rule } = ruleIn(message, { keysOf, linkName });
      const found = rules.get(chain);
      if (found === undefined) rules.set(chain, [rule]);
      else found.push(rule);
    }
    const own = chains.filter((chain) => chain.table === table && chain.family === family);
    const bases = own.flatMap((chain) => {
      const hook = hookOf(chain);
      return hook === undefined ? [] : [{ name: chain.name, hook, drops: chain.base?.drops === true }];
    });
    const names = new Set(own.map(({ name }) => name));
    tables.set(key, { family, name: table, isLegacy: false, bases, chains: names, rules });
  }
  return [...tables.values()];
}
