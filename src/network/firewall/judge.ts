import type { ForeignCondition } from '../../sys/nftables/foreign.ts';
import type { ForeignTable } from '../../sys/nftables/tables.ts';

/** What becomes of the beginning of a connection in the chains of other programs. */

/** The beginning of a connection. Undefined: something of which nothing is known. */
export interface Way {
  readonly in: string | undefined;
  readonly out: string | undefined;
  /** `ct status`: destination NAT was done. */
  readonly published: boolean;
  /** NFPROTO_IPV4 (2) or NFPROTO_IPV6 (10). */
  readonly version?: number;
  /** The protocol above IP by its number, and the destination's port; rules about them do not count where left out. */
  readonly protocol?: number;
  readonly port?: number;
  /**
   * For rules that look at what is not known: `false`, they count neither for nor against; `true`, they are taken to let in
   * what they may let in (an administrator who lets in some clients has closed nothing by mistake).
   */
  readonly benefit: boolean;
}

type Verdict = 'accept' | 'drop';

/** Chains may jump to each other only so deep (NFT_JUMP_STACK_SIZE). */
const deepestJump = 16;

/** Rules that are looked at in one go, a few milliseconds: what is larger than anybody's rule book is not judged. */
export class Budget {
  #steps = 200_000;

  /** False when all of it is used. */
  step(): boolean {
    return --this.#steps >= 0;
  }
}

export function judge(table: ForeignTable, base: ForeignTable['bases'][number], way: Way, budget: Budget): Verdict {
  /** Undefined: the chain's end was reached. */
  const run = (chain: string, depth: number): Verdict | undefined => {
    if (depth > deepestJump) return undefined;
    for (const { conditions, verdict } of table.rules.get(chain) ?? []) {
      if (!budget.step()) return 'accept';
      if (verdict === undefined) continue;
      const holding = conditions.map((condition) => holds(condition, way));
      if (holding.includes(false)) continue;
      const isSure = !holding.includes(undefined);
      if (!isSure && !(way.benefit && verdict.do !== 'drop')) continue;
      if (!('chain' in verdict)) return verdict.do === 'return' ? undefined : verdict.do;
      const decided = run(verdict.chain, depth + 1);
      if (isSure && (decided !== undefined || verdict.do === 'goto')) return decided;
      if (decided === 'accept') return decided;
    }
    return undefined;
  };
  return run(base.name, 0) ?? (base.drops ? 'drop' : 'accept');
}

/** NF_CT_STATE_BIT(IP_CT_NEW), and IPS_DST_NAT. */
const stateNew = 8;
const statusDestinationNat = 1 << 5;

/** Undefined: nothing is known of what it looks at. */
function holds(condition: ForeignCondition, way: Way): boolean | undefined {
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
    case 'version':
    case 'protocol':
    case 'port': {
      const value = way[condition.on];
      if (value === undefined) return undefined;
      return condition.ranges.some(([first, last]) => value >= first && value <= last) !== condition.not;
    }
    case 'other':
      return undefined;
  }
}

/** Names are compared with their NULs; fewer bytes are a beginning (`br-*`). */
function isNamed(name: string | undefined, bytes: Uint8Array): boolean {
  if (name === undefined) return false;
  const padded = Buffer.alloc(Math.max(16, bytes.length));
  padded.write(name);
  return padded.subarray(0, bytes.length).equals(bytes);
}
