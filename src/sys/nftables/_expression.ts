import { attribute, be32Attribute, nested, textAttribute, u32 } from '../netlink/message.ts';
import type { FieldSource, Match, Rule, Verdict } from './ruleset.ts';

/**
 * Rules as the kernel's little register machine wants them (linux/netfilter/nf_tables.h): each expression loads,
 * changes or compares registers; a comparison that fails ends the rule.
 */

/** Registers of 16 bytes by number; the same space in steps of 4 bytes begins at 8. */
const register1 = 1;
const registerWord = (index: number): number => 8 + index;
const verdictRegister = 0;

const listElement = 1;
const dataValue = 1;
const dataVerdict = 2;

const expression = (name: string, ...attributes: readonly Uint8Array[]): Buffer =>
  nested(listElement, textAttribute(1, name), nested(2, ...attributes));

const data = (type: number, bytes: Uint8Array): Buffer => nested(type, attribute(dataValue, bytes));

const compare = (register: number, not: boolean, bytes: Uint8Array): Buffer =>
  expression('cmp', be32Attribute(1, register), be32Attribute(2, not ? 1 : 0), data(3, bytes));

const metaKey = { inInterface: 6, outInterface: 7, protocol: 16 } as const;
const meta = (key: number, register: number): Buffer =>
  expression('meta', be32Attribute(1, register), be32Attribute(2, key));

const base = { network: 1, transport: 2 } as const;
const payload = (from: number, offset: number, length: number, register: number): Buffer =>
  expression(
    'payload',
    be32Attribute(1, register),
    be32Attribute(2, from),
    be32Attribute(3, offset),
    be32Attribute(4, length),
  );

/** register = (register & mask) ^ 0. */
const mask = (register: number, bytes: Uint8Array): Buffer =>
  expression(
    'bitwise',
    be32Attribute(1, register),
    be32Attribute(2, register),
    be32Attribute(3, bytes.length),
    data(4, bytes),
    data(5, new Uint8Array(bytes.length)),
  );

const ctKey = { state: 0, status: 2 } as const;
/** True when one of `bits` is set; connection tracking values are in host order. */
const connection = (key: number, bits: number): Buffer[] => [
  expression('ct', be32Attribute(1, register1), be32Attribute(2, key)),
  mask(register1, u32(bits)),
  compare(register1, true, u32(0)),
];
const establishedOrRelated = 0b110;
const statusDestinationNat = 1 << 5;

const ipv4 = { source: 12, destination: 16 } as const;
const interfaceNameLength = 16;
const fibAddressType = 3;
const fibDestination = 2;
const addressTypeLocal = 2;

function matchExpressions(match: Match): Buffer[] {
  switch (match.on) {
    case 'in-interface':
    case 'out-interface': {
      const name = Buffer.alloc(interfaceNameLength);
      name.write(match.name);
      const key = match.on === 'in-interface' ? metaKey.inInterface : metaKey.outInterface;
      return [meta(key, register1), compare(register1, match.not === true, name)];
    }
    case 'source':
    case 'destination': {
      const { address, length } = match.prefix;
      const load = payload(base.network, ipv4[match.on], 4, register1);
      const test = compare(register1, match.not === true, address);
      return length === 32 ? [load, test] : [load, mask(register1, maskOf(length)), test];
    }
    case 'destination-local':
      return [
        expression(
          'fib',
          be32Attribute(1, register1),
          be32Attribute(2, fibAddressType),
          be32Attribute(3, fibDestination),
        ),
        compare(register1, false, u32(addressTypeLocal)),
      ];
    case 'established':
      return connection(ctKey.state, establishedOrRelated);
    case 'destination-rewritten':
      return connection(ctKey.status, statusDestinationNat);
  }
}

function maskOf(length: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(length === 0 ? 0 : (-1 << (32 - length)) >>> 0);
  return bytes;
}

const verdictCode = { accept: 1, drop: 0, return: -5 } as const;

function verdictExpressions(verdict: Verdict): Buffer[] {
  if (verdict.do === 'dnat') return dnatExpressions(verdict.key, verdict.map);
  if (verdict.do === 'masquerade') return [expression('masq')];
  const code = nested(dataVerdict, be32Attribute(1, verdictCode[verdict.do]));
  return [expression('immediate', be32Attribute(1, verdictRegister), nested(2, code))];
}

/** Loads the key, each part into a word of its own, looks it up (address and port replace it) and rewrites. */
function dnatExpressions(key: readonly FieldSource[], map: string): Buffer[] {
  const loads = key.map((source, at) => {
    const register = registerWord(at);
    if (source === 'protocol') return meta(metaKey.protocol, register);
    return source === 'destination'
      ? payload(base.network, ipv4.destination, 4, register)
      : payload(base.transport, 2, 2, register);
  });
  const natDestination = 1;
  const familyIpv4 = 2;
  return [
    ...loads,
    expression('lookup', textAttribute(1, map), be32Attribute(2, registerWord(0)), be32Attribute(3, registerWord(0))),
    expression(
      'nat',
      be32Attribute(1, natDestination),
      be32Attribute(2, familyIpv4),
      be32Attribute(3, registerWord(0)),
      be32Attribute(5, registerWord(1)),
    ),
  ];
}

/** All expressions of a rule, in order. */
export const ruleExpressions = (rule: Rule): Buffer[] => [
  ...rule.when.flatMap(matchExpressions),
  ...verdictExpressions(rule.then),
];
