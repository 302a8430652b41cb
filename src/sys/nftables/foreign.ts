import { attributesIn, attributesListed, type ReceivedMessage, textOf } from '../netlink/message.ts';
import { extensionConditions } from './_extensions.ts';
import type { SetKeys } from './encode.ts';

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
  /**
   * In one of these ranges (first, last), or in none with `not`: IPv4 (2) or IPv6 (10), the protocol above it, the
   * destination's port.
   */
  | { readonly on: NumberName; readonly not: boolean; readonly ranges: readonly NumberRange[] }
  | { readonly on: 'other' };

type NumberName = 'version' | 'protocol' | 'port';
type NumberRange = readonly [first: number, last: number];

export interface ForeignRule {
  readonly conditions: readonly ForeignCondition[];
  /** Undefined for a rule that decides nothing. */
  readonly verdict:
    | { readonly do: 'accept' | 'drop' | 'return' }
    | { readonly do: 'jump' | 'goto'; readonly chain: string }
    | undefined;
}

type Loaded = {
  /** What a condition is on; the same interfaces by their indexes. */
  readonly what: Exclude<ForeignCondition['on'], 'other'> | 'in-index' | 'out-index';
  readonly bits?: number;
};
type Expression = { readonly name: string; readonly data: Map<number, Buffer> };

const metaNames: Readonly<Record<number, Loaded['what']>> = {
  4: 'in-index',
  5: 'out-index',
  6: 'in-interface',
  7: 'out-interface',
  15: 'version',
  16: 'protocol',
};
const trackingNames: Readonly<Record<number, Loaded['what']>> = { 0: 'state', 2: 'status' };
/** They look at nothing. */
const harmless = new Set(['counter', 'log']);
/** Expressions that load something not of interest here, and the attribute that says into which register. */
const destinations: Readonly<Record<string, number>> = { fib: 1, exthdr: 1, rt: 1, byteorder: 2 };

/** What rules refer to. */
export interface Surroundings {
  /** The elements of a set of the rule's table; undefined for those that are not understood. */
  keysOf(set: string): SetKeys | undefined;
  /** The name of an interface, empty when there is none with that index. */
  linkName(index: number): string;
}

/** The rule in an answer to `dumpRules`. */
export function ruleIn(
  message: ReceivedMessage,
  around: Surroundings,
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
    else conditions.push(...conditionsOf(expression, registers, around));
  }
  return { chain: textOf(attributes.get(2)), rule: { conditions, verdict } };
}

const number = (data: Map<number, Buffer>, attribute: number): number => {
  const bytes = data.get(attribute);
  return bytes === undefined || bytes.length < 4 ? -1 : bytes.readUInt32BE(0);
};

const other: readonly ForeignCondition[] = [{ on: 'other' }];

function conditionsOf(
  { name, data }: Expression,
  registers: Map<number, Loaded>,
  around: Surroundings,
): readonly ForeignCondition[] {
  if (name === 'meta' || name === 'ct') {
    const what = (name === 'meta' ? metaNames : trackingNames)[number(data, 2)];
    if (what === undefined) registers.delete(number(data, 1));
    else registers.set(number(data, 1), { what });
    return [];
  }
  if (name === 'payload') {
    const what = payloadName(data);
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
  if (name === 'lookup') return lookupOf(data, registers.get(number(data, 2)), around);
  if (name === 'cmp') return compareOf(data, registers.get(number(data, 1)), around);
  if (name === 'range') return rangeOf(data, registers.get(number(data, 1)));
  const destination = destinations[name];
  if (destination !== undefined) {
    registers.delete(number(data, destination));
    return [];
  }
  if (harmless.has(name)) return [];
  if (name === 'match') {
    return extensionConditions(textOf(data.get(1)), number(data, 2), data.get(3) ?? Buffer.alloc(0));
  }
  return name === 'immediate' ? [] : other;
}

/** Of which header, the place in it and the length: the destination's port, or the protocol in the header of either IP version. */
function payloadName(data: Map<number, Buffer>): Loaded['what'] | undefined {
  const [header, offset, length] = [number(data, 2), number(data, 3), number(data, 4)];
  if (header === transportHeader && offset === 2 && length === 2) return 'port';
  return header === networkHeader && (offset === 9 || offset === 6) && length === 1 ? 'protocol' : undefined;
}
const [networkHeader, transportHeader] = [1, 2];

/** Names of interfaces out of what a register that holds one is compared with; undefined for other registers. */
function interfacesOf({ what }: Loaded, values: readonly Buffer[], around: Surroundings) {
  if (what === 'in-interface' || what === 'out-interface') return { on: what, names: values };
  if (what !== 'in-index' && what !== 'out-index') return undefined;
  const names = values.map((value) =>
    Buffer.from(`${around.linkName(value.length < 4 ? 0 : value.readUInt32LE(0))}\0`),
  );
  return { on: what === 'in-index' ? ('in-interface' as const) : ('out-interface' as const), names };
}

/** What a register holds as it is, when that is a number: no bits of it. */
function numberOf(loaded: Loaded | undefined): NumberName | undefined {
  if (loaded === undefined || loaded.bits !== undefined) return undefined;
  const { what } = loaded;
  return what === 'version' || what === 'protocol' || what === 'port' ? what : undefined;
}

/** One or two bytes, as the kernel has protocols and ports. */
const numberIn = (bytes: Buffer): number => (bytes.length === 0 ? 0 : bytes.readUIntBE(0, Math.min(bytes.length, 2)));
const largest = 65_535;

function compareOf(
  data: Map<number, Buffer>,
  loaded: Loaded | undefined,
  around: Surroundings,
): readonly ForeignCondition[] {
  const operator = number(data, 2);
  const bytes = attributesIn(data.get(3) ?? Buffer.alloc(0)).get(1);
  if (loaded === undefined || bytes === undefined) return other;
  const what = numberOf(loaded);
  if (what !== undefined) return comparedNumber(what, operator, numberIn(bytes));
  if (operator > 1) return other;
  const links = interfacesOf(loaded, [bytes], around);
  if (links !== undefined) return [{ ...links, not: operator === 1 }];
  // `ct state a,b` is a mask and a comparison with zero.
  const { bits } = loaded;
  if (bits === undefined || bytes.length !== 4 || bytes.readUInt32LE(0) !== 0) return other;
  return loaded.what === 'state' || loaded.what === 'status' ? [{ on: loaded.what, not: operator === 0, bits }] : other;
}

/** ==, !=, <, <=, >, >= */
function comparedNumber(on: NumberName, operator: number, value: number): readonly ForeignCondition[] {
  const ranges: readonly (NumberRange | undefined)[] = [
    [value, value],
    [value, value],
    [0, value - 1],
    [0, value],
    [value + 1, largest],
    [value, largest],
  ];
  const range = ranges[operator];
  return range === undefined ? other : [{ on, not: operator === 1, ranges: [range] }];
}

function rangeOf(data: Map<number, Buffer>, loaded: Loaded | undefined): readonly ForeignCondition[] {
  const on = numberOf(loaded);
  const [from, to] = [3, 4].map((attribute) => attributesIn(data.get(attribute) ?? Buffer.alloc(0)).get(1));
  if (on === undefined || from === undefined || to === undefined) return other;
  return [{ on, not: number(data, 2) === 1, ranges: [[numberIn(from), numberIn(to)]] }];
}

/** Whether an interface, a protocol or a port is in a set; maps of verdicts are not understood. */
function lookupOf(
  data: Map<number, Buffer>,
  loaded: Loaded | undefined,
  around: Surroundings,
): readonly ForeignCondition[] {
  if (loaded === undefined || data.has(3)) return other;
  const found = around.keysOf(textOf(data.get(1)));
  if (found === undefined) return other;
  const not = number(data, 5) === 1;
  const on = numberOf(loaded);
  if (on !== undefined) return [{ on, not, ranges: rangesIn(found) }];
  const links = interfacesOf(loaded, found.keys, around);
  return links === undefined || found.ends.length > 0 ? other : [{ ...links, not }];
}

/** In a set of ranges each key begins one, and the next end is the first number behind it. */
function rangesIn({ keys, ends }: SetKeys): NumberRange[] {
  const behind = ends.map(numberIn).toSorted((one, other) => one - other);
  return keys.map(numberIn).map((first) => {
    if (ends.length === 0) return [first, first];
    return [first, (behind.find((end) => end > first) ?? largest + 1) - 1];
  });
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
