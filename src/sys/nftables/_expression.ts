import { attribute, be32Attribute, nested, textAttribute, u32 } from '../netlink/message.ts';
import type { FieldSource, Match, Rule, TableFamily, Verdict } from './ruleset.ts';

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

const metaKey = { mark: 3, inInterface: 6, outInterface: 7, protocol: 16 } as const;
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

const protocolNumber = { tcp: 6, udp: 17 } as const;
const portOffset = { source: 0, destination: 2 } as const;
const port16 = (port: number): Uint8Array => Uint8Array.of(port >> 8, port & 0xff);

/** Where the checksum lies that a changed port changes, too. */
const checksumOffset = { tcp: 16, udp: 6 } as const;
const checksumOfInternet = 1;

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
const stateNew = 0b1000;
const lookupNot = 1;
const statusDestinationNat = 1 << 5;

/** Where addresses are in a packet's header, and how long they are. */
const headers = {
  4: { source: 12, destination: 16, length: 4 },
  6: { source: 8, destination: 24, length: 16 },
} as const;
const interfaceNameLength = 16;
const fibAddressType = 3;
const fibDestination = 2;
const addressTypeLocal = 2;

function matchExpressions(match: Match, family: TableFamily): Buffer[] {
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
      const header = headers[family];
      const load = payload(base.network, header[match.on], header.length, register1);
      const test = compare(register1, match.not === true, address);
      const isWhole = length === header.length * 8;
      return isWhole ? [load, test] : [load, mask(register1, maskOf(length, header.length)), test];
    }
    case 'protocol':
      return [meta(metaKey.protocol, register1), compare(register1, false, Uint8Array.of(match.number))];
    case 'source-port':
    case 'destination-port': {
      const which = match.on === 'source-port' ? 'source' : 'destination';
      return [
        meta(metaKey.protocol, register1),
        compare(register1, false, Uint8Array.of(protocolNumber[match.protocol])),
        payload(base.transport, portOffset[which], 2, register1),
        compare(register1, false, port16(match.port)),
      ];
    }
    case 'in-set':
      return [
        ...loadKey(match.key, family),
        expression(
          'lookup',
          textAttribute(1, match.set),
          be32Attribute(2, registerWord(0)),
          ...(match.not === true ? [be32Attribute(5, lookupNot)] : []),
        ),
      ];
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
    case 'new':
      return connection(ctKey.state, stateNew);
    case 'mark':
      return [
        meta(metaKey.mark, register1),
        mask(register1, u32(match.mask)),
        compare(register1, false, u32(match.value)),
      ];
    case 'established':
      return connection(ctKey.state, establishedOrRelated);
    case 'over-rate':
      return [
        expression(
          'limit',
          attribute(1, be64(match.rate)),
          attribute(2, be64(1)),
          be32Attribute(3, match.burst),
          be32Attribute(4, limitBytes),
          be32Attribute(5, limitOver),
        ),
      ];
    case 'destination-rewritten':
      return connection(ctKey.status, statusDestinationNat);
  }
}

const limitBytes = 1;
const limitOver = 1;

function be64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

function maskOf(length: number, bytes: number): Buffer {
  const bits = (1n << BigInt(bytes * 8)) - (1n << BigInt(bytes * 8 - length));
  return Buffer.from(bits.toString(16).padStart(bytes * 2, '0'), 'hex');
}

const verdictCode = { accept: 1, drop: 0, return: -5 } as const;

function verdictExpressions(verdict: Verdict, family: TableFamily): Buffer[] {
  if (verdict.do === 'dnat') return dnatExpressions(verdict.key, verdict.map, family);
  if (verdict.do === 'masquerade') return [expression('masq')];
  if (verdict.do === 'snat') {
    return [
      expression('immediate', be32Attribute(1, register1), data(2, verdict.address)),
      expression('nat', be32Attribute(1, natSource), be32Attribute(2, natFamily[family]), be32Attribute(3, register1)),
    ];
  }
  if (verdict.do === 'send-again') return sendAgainExpressions(verdict);
  if (verdict.do === 'set-port') return setPortExpressions(verdict);
  const code = nested(dataVerdict, be32Attribute(1, verdictCode[verdict.do]));
  return [expression('immediate', be32Attribute(1, verdictRegister), nested(2, code))];
}

function sendAgainExpressions({ address, index }: Extract<Verdict, { do: 'send-again' }>): Buffer[] {
  const device = 2;
  return [
    expression('immediate', be32Attribute(1, register1), data(2, address)),
    expression('immediate', be32Attribute(1, device), data(2, u32(index))),
    expression('dup', be32Attribute(1, register1), be32Attribute(2, device)),
    expression('immediate', be32Attribute(1, verdictRegister), nested(2, nested(dataVerdict, be32Attribute(1, 0)))),
  ];
}

function setPortExpressions({ protocol, of, to }: Extract<Verdict, { do: 'set-port' }>): Buffer[] {
  return [
    expression('notrack'),
    expression('immediate', be32Attribute(1, register1), data(2, port16(to))),
    expression(
      'payload',
      be32Attribute(5, register1),
      be32Attribute(2, base.transport),
      be32Attribute(3, portOffset[of]),
      be32Attribute(4, 2),
      be32Attribute(6, checksumOfInternet),
      be32Attribute(7, checksumOffset[protocol]),
    ),
  ];
}

const natSource = 0;
const natDestination = 1;
const natFamily = { 4: 2, 6: 10 } as const;

/** Loads the parts of a key, each into words of its own. */
function loadKey(key: readonly FieldSource[], family: TableFamily): Buffer[] {
  const loads: Buffer[] = [];
  let word = 0;
  for (const source of key) {
    const register = registerWord(word);
    if (source === 'protocol') loads.push(meta(metaKey.protocol, register));
    else if (source === 'destination-port') loads.push(payload(base.transport, 2, 2, register));
    else loads.push(payload(base.network, headers[family][source], headers[family].length, register));
    word += source === 'destination' || source === 'source' ? headers[family].length / 4 : 1;
  }
  return loads;
}

/** Looks the key up (address and port replace it) and rewrites. */
function dnatExpressions(key: readonly FieldSource[], map: string, family: TableFamily): Buffer[] {
  return [
    ...loadKey(key, family),
    expression('lookup', textAttribute(1, map), be32Attribute(2, registerWord(0)), be32Attribute(3, registerWord(0))),
    expression(
      'nat',
      be32Attribute(1, natDestination),
      be32Attribute(2, natFamily[family]),
      be32Attribute(3, registerWord(0)),
      be32Attribute(5, registerWord(headers[family].length / 4)),
    ),
  ];
}

/** All expressions of a rule, in order. */
export const ruleExpressions = (rule: Rule, family: TableFamily): Buffer[] => [
  ...rule.when.flatMap((match) => matchExpressions(match, family)),
  ...verdictExpressions(rule.then, family),
];
