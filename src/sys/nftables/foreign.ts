import { attributesIn, attributesListed, type ReceivedMessage, textOf } from '../netlink/message.ts';

/**
 * What rules of other programs come to, out of the kernel's notation (linux/netfilter/nf_tables.h): as much as is needed
 * to tell what becomes of packets between two interfaces. What is not understood is `other`: such a condition may hold
 * or not.
 */
export type ForeignCondition =
  /** The name begins with one of these, or is exactly that when it ends with a NUL; reversed by `not`. */
  | { readonly on: 'in-interface' | 'out-interface'; readonly not: boolean; readonly names: readonly Buffer[] }
  /** At least one of the bits is set, or none with `not`: `state` and `status` of connection tracking. */
  | { readonly on: 'state' | 'status'; readonly not: boolean; readonly bits: number }
  | { readonly on: 'other' };

export interface ForeignRule {
  readonly conditions: readonly ForeignCondition[];
  /** Undefined for a rule that decides nothing. */
  readonly verdict:
    | { readonly do: 'accept' | 'drop' | 'return' }
    | { readonly do: 'jump' | 'goto'; readonly chain: string }
    | undefined;
}

type Loaded = { readonly what: 'in-interface' | 'out-interface' | 'state' | 'status'; readonly bits?: number };
type Expression = { readonly name: string; readonly data: Map<number, Buffer> };

const metaNames: Readonly<Record<number, Loaded['what']>> = { 6: 'in-interface', 7: 'out-interface' };
const trackingNames: Readonly<Record<number, Loaded['what']>> = { 0: 'state', 2: 'status' };
/** They look at nothing. */
const harmless = new Set(['counter', 'log']);
/** Expressions that load something not of interest here, and the attribute that says into which register. */
const destinations: Readonly<Record<string, number>> = { payload: 1, fib: 1, exthdr: 1, rt: 1, byteorder: 2 };
/** Extensions of iptables that say nothing about packets. */
const harmlessMatches = new Set(['comment']);

/**
 * The rule in an answer to `dumpRules`. `keysOf` gives the elements of a set of the rule's table; undefined for one of ranges.
 */
export function ruleIn(
  message: ReceivedMessage,
  keysOf: KeysOf,
): { readonly chain: string; readonly rule: ForeignRule } {
  const attributes = attributesIn(message.body, 4);
  const expressions = attributesListed(attributes.get(4) ?? Buffer.alloc(0)).map((element): Expression => {
    const fields = attributesIn(element);
    return { name: textOf(fields.get(1)), data: attributesIn(fields.get(2) ?? Buffer.alloc(0)) };
  });
  const conditions: ForeignCondition[] = [];
  const registers = new Map<number, Loaded>();
  let verdict: ForeignRule['verdict'];
  for (const expression of expressions) {
    const found = verdictOf(expression);
    if (found !== undefined) verdict = found;
    else conditions.push(...conditionsOf(expression, registers, keysOf));
  }
  return { chain: textOf(attributes.get(2)), rule: { conditions, verdict } };
}

const number = (data: Map<number, Buffer>, attribute: number): number => {
  const bytes = data.get(attribute);
  return bytes === undefined || bytes.length < 4 ? -1 : bytes.readUInt32BE(0);
};

const other: readonly ForeignCondition[] = [{ on: 'other' }];

type KeysOf = (set: string) => readonly Buffer[] | undefined;

function conditionsOf(
  { name, data }: Expression,
  registers: Map<number, Loaded>,
  keysOf: KeysOf,
): readonly ForeignCondition[] {
  if (name === 'meta' || name === 'ct') {
    const what = (name === 'meta' ? metaNames : trackingNames)[number(data, 2)];
    if (what === undefined) registers.delete(number(data, 1));
    else registers.set(number(data, 1), { what });
    return [];
  }
  if (name === 'bitwise') {
    const loaded = registers.get(number(data, 1));
    const mask = attributesIn(data.get(4) ?? Buffer.alloc(0)).get(1);
    registers.delete(number(data, 2));
    if (loaded !== undefined && mask?.length === 4) {
      registers.set(number(data, 2), { ...loaded, bits: mask.readUInt32LE(0) });
    }
    return [];
  }
  if (name === 'lookup') return lookupOf(data, registers.get(number(data, 2)), keysOf);
  if (name === 'cmp') return compareOf(data, registers.get(number(data, 1)));
  const destination = destinations[name];
  if (destination !== undefined) {
    registers.delete(number(data, destination));
    return [];
  }
  if (harmless.has(name)) return [];
  if (name === 'match' && harmlessMatches.has(textOf(data.get(1)))) return [];
  return name === 'immediate' ? [] : other;
}

function compareOf(data: Map<number, Buffer>, loaded: Loaded | undefined): readonly ForeignCondition[] {
  const operator = number(data, 2);
  const bytes = attributesIn(data.get(3) ?? Buffer.alloc(0)).get(1);
  if (loaded === undefined || bytes === undefined || operator > 1) return other;
  const { what, bits } = loaded;
  if (what === 'in-interface' || what === 'out-interface') return [{ on: what, not: operator === 1, names: [bytes] }];
  // `ct state a,b` is a mask and a comparison with zero.
  if (bits === undefined || bytes.length !== 4 || bytes.readUInt32LE(0) !== 0) return other;
  return [{ on: what, not: operator === 0, bits }];
}

/** Whether an interface is in a set; maps of verdicts are not understood. */
function lookupOf(data: Map<number, Buffer>, loaded: Loaded | undefined, keysOf: KeysOf): readonly ForeignCondition[] {
  const isName = loaded?.what === 'in-interface' || loaded?.what === 'out-interface';
  const names = !isName || data.has(3) ? undefined : keysOf(textOf(data.get(1)));
  if (!isName || names === undefined) return other;
  return [{ on: loaded.what as 'in-interface' | 'out-interface', not: number(data, 5) === 1, names }];
}

const verdictRegister = 0;
const verdictNames: Readonly<Record<number, 'accept' | 'drop' | 'jump' | 'goto' | 'return'>> = {
  0: 'drop',
  1: 'accept',
  [-3]: 'jump',
  [-4]: 'goto',
  [-5]: 'return',
};

function verdictOf({ name, data }: Expression): ForeignRule['verdict'] {
  if (name === 'reject') return { do: 'drop' };
  if (name === 'target') return textOf(data.get(1)) === 'REJECT' ? { do: 'drop' } : undefined;
  if (name !== 'immediate' || number(data, 1) !== verdictRegister) return undefined;
  const verdict = attributesIn(attributesIn(data.get(2) ?? Buffer.alloc(0)).get(2) ?? Buffer.alloc(0));
  const kind = verdictNames[(verdict.get(1)?.readInt32BE(0) ?? NaN) | 0];
  if (kind === undefined) return undefined;
  return kind === 'jump' || kind === 'goto' ? { do: kind, chain: textOf(verdict.get(2)) } : { do: kind };
}
