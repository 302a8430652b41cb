import {
  attribute,
  attributesIn,
  attributesListed,
  be32Attribute,
  flags,
  nested,
  type NetlinkMessage,
  type ReceivedMessage,
  textAttribute,
  textOf,
} from '../netlink/message.ts';
import { ruleExpressions } from './_expression.ts';
import type {
  BaseChain,
  FieldType,
  FieldValue,
  Hook,
  MapElement,
  NatMap,
  Rule,
  Table,
  TableFamily,
} from './ruleset.ts';

/** Tables as nfnetlink messages (linux/netfilter/nfnetlink.h and nf_tables.h); numbers are in network order. */

const subsystem = 10;
const messageType = {
  newTable: (subsystem << 8) | 0,
  getTable: (subsystem << 8) | 1,
  deleteTable: (subsystem << 8) | 2,
  newChain: (subsystem << 8) | 3,
  getChain: (subsystem << 8) | 4,
  deleteChain: (subsystem << 8) | 5,
  newRule: (subsystem << 8) | 6,
  getRule: (subsystem << 8) | 7,
  deleteRule: (subsystem << 8) | 8,
  newSet: (subsystem << 8) | 9,
  deleteSet: (subsystem << 8) | 11,
  newElement: (subsystem << 8) | 12,
  getElement: (subsystem << 8) | 13,
  deleteElement: (subsystem << 8) | 14,
} as const;
const removals = new Set<number>([
  messageType.deleteTable,
  messageType.deleteChain,
  messageType.deleteRule,
  messageType.deleteSet,
]);

/** True for the kernel's notice that a table of a family, or a chain, rule or map of one, was removed. */
export const isRemoval = (notice: ReceivedMessage, family: TableFamily): boolean =>
  removals.has(notice.type) && notice.body.length >= 4 && notice.body.readUInt8(0) === familyNumber[family];

const batchBegin = 16;
const batchEnd = 17;
/** NFPROTO_IPV4, NFPROTO_IPV6. */
const familyNumber = { 4: 2, 6: 10 } as const;

/** struct nfgenmsg and the attributes. */
const message = (type: number, extra: number, family: number, ...parts: Uint8Array[]): NetlinkMessage => ({
  type,
  flags: flags.request | extra,
  body: Buffer.concat([Uint8Array.of(family, 0, 0, 0), ...parts]),
});

/** One transaction: all of it takes effect at one moment, or nothing does. */
export function transaction(messages: readonly NetlinkMessage[]): NetlinkMessage[] {
  const frame = (type: number): NetlinkMessage => ({
    type,
    flags: flags.request,
    body: Uint8Array.of(0, 0, 0, subsystem),
  });
  return [frame(batchBegin), ...messages, frame(batchEnd)];
}

/**
 * Who may change a table. `plain`: everybody. `owned`: only the socket that made it, and `nft flush ruleset` of others
 * passes it by; it outlives that socket, and another one may then take it over (kernel 6.9 and later).
 */
export type Ownership = 'plain' | 'owned';
const tableFlagOwner = 0x2;
const tableFlagPersist = 0x4;

/** What names a table: the same name may be used once in each family. */
export type TableName = Pick<Table, 'name' | 'family'>;

const newTable = ({ name, family }: TableName, ownership: Ownership): NetlinkMessage =>
  message(
    messageType.newTable,
    flags.create,
    familyNumber[family],
    textAttribute(1, name),
    be32Attribute(2, ownership === 'owned' ? tableFlagOwner | tableFlagPersist : 0),
  );

const deleteTable = ({ name, family }: TableName): NetlinkMessage =>
  message(messageType.deleteTable, 0, familyNumber[family], textAttribute(1, name));

/** Asks for one table; the kernel answers ENOENT when there is none. */
export const getTable = ({ name, family }: TableName): NetlinkMessage =>
  message(messageType.getTable, 0, familyNumber[family], textAttribute(1, name));

/** What is there before a table is replaced: nothing, or a table of that ownership. */
export type Existing = Ownership | 'none';

/** The ownership of the table in an answer to `getTable`. */
export function ownershipIn(answer: ReceivedMessage): Ownership {
  const bits = attributesIn(answer.body, 4).get(2)?.readUInt32BE(0) ?? 0;
  return (bits & tableFlagPersist) === 0 ? 'plain' : 'owned';
}

/**
 * Makes the table exactly as described, whatever it was before: the messages of one transaction. A table that lost
 * its owner is taken over first, as only its owner may remove it.
 */
export function replaceTable(table: Table, ownership: Ownership, existing: Existing): NetlinkMessage[] {
  return [
    ...(existing === 'owned' ? [newTable(table, 'owned')] : []),
    ...(existing === 'none' ? [] : [deleteTable(table)]),
    newTable(table, ownership),
    ...table.maps.flatMap((map, at) => [newMap(table, map, at + 1), ...addElements(table, map, map.elements)]),
    ...table.chains.flatMap((chain) => [
      newChain(table, chain),
      ...chain.rules.map((rule) => newRule(table, chain.name, rule)),
    ]),
  ];
}

/** Removes an existing table, of which `existing` says whether it has to be taken over first. */
export const removeTable = (table: TableName, existing: Ownership): NetlinkMessage[] =>
  existing === 'owned' ? [newTable(table, 'owned'), deleteTable(table)] : [deleteTable(table)];

const setFlags = { interval: 0x4, map: 0x8, concatenated: 0x80 } as const;
/** Numbers that nft(8) knows the types by; a concatenation has six bits for each. */
const typeNumbers: Readonly<Record<FieldType, number>> = {
  inet_proto: 12,
  ipv4_addr: 7,
  ipv6_addr: 8,
  inet_service: 13,
};
/** Bytes of a value itself. */
const lengthOf = (type: FieldType): number => ({ inet_proto: 1, ipv4_addr: 4, ipv6_addr: 16, inet_service: 2 })[type];
/** Bytes of each type, in whole words of 4. */
const sizeOf = (types: readonly FieldType[]): number =>
  types.reduce((size, type) => size + (type === 'ipv6_addr' ? 16 : 4), 0);
const typeNumber = (types: readonly FieldType[]): number =>
  types.reduce((number, type) => (number << 6) | typeNumbers[type], 0);

function newMap({ name, family }: TableName, map: NatMap, transactionId: number): NetlinkMessage {
  const isMap = map.value.length > 0;
  return message(
    messageType.newSet,
    flags.create,
    familyNumber[family],
    textAttribute(1, name),
    textAttribute(2, map.name),
    be32Attribute(
      3,
      (isMap ? setFlags.map : 0) | (map.ranges === true ? setFlags.interval | setFlags.concatenated : 0),
    ),
    be32Attribute(4, typeNumber(map.key)),
    be32Attribute(5, sizeOf(map.key)),
    ...(isMap ? [be32Attribute(6, typeNumber(map.value)), be32Attribute(7, sizeOf(map.value))] : []),
    // A set of ranges is told the bytes of each part.
    ...(map.ranges === true
      ? [nested(9, nested(2, ...map.key.map((type) => nested(1, be32Attribute(1, lengthOf(type))))))]
      : []),
    be32Attribute(10, transactionId),
  );
}

/** Each part takes whole words of 4 bytes. */
function fieldBytes(types: readonly FieldType[], values: readonly FieldValue[]): Buffer {
  const bytes = Buffer.alloc(sizeOf(types));
  let offset = 0;
  for (const [at, type] of types.entries()) {
    const value = values[at];
    if (typeof value === 'number') {
      if (type === 'inet_service') bytes.writeUInt16BE(value, offset);
      else bytes.writeUInt8(value, offset);
    } else if (value !== undefined) bytes.set(value, offset);
    offset += sizeOf([type]);
  }
  return bytes;
}

const elementKey = 1;
const elementData = 2;
const elementFlags = 3;
const elementKeyEnd = 10;
const dataValue = 1;
/** An attribute holds at most 64 KiB. */
const elementsPerMessage = 500;

function elementMessages(
  type: number,
  extra: number,
  { name, family }: TableName,
  map: NatMap,
  elements: readonly MapElement[],
): NetlinkMessage[] {
  const messages: NetlinkMessage[] = [];
  for (let at = 0; at < elements.length; at += elementsPerMessage) {
    const encoded = elements
      .slice(at, at + elementsPerMessage)
      .map((element) =>
        nested(
          1,
          nested(elementKey, attribute(dataValue, fieldBytes(map.key, element.key))),
          ...(map.ranges === true
            ? [nested(elementKeyEnd, attribute(dataValue, fieldBytes(map.key, element.keyEnd ?? element.key)))]
            : []),
          ...(map.value.length === 0
            ? []
            : [nested(elementData, attribute(dataValue, fieldBytes(map.value, element.value)))]),
        ),
      );
    messages.push(
      message(
        type,
        extra,
        familyNumber[family],
        textAttribute(1, name),
        textAttribute(2, map.name),
        nested(3, ...encoded),
      ),
    );
  }
  return messages;
}

/** Adds elements to a map that exists; one that is there with another value makes the kernel answer EEXIST. */
export const addElements = (table: TableName, map: NatMap, elements: readonly MapElement[]): NetlinkMessage[] =>
  elementMessages(messageType.newElement, flags.create, table, map, elements);

/** Takes elements out of a map; the kernel answers ENOENT when one is not there. */
export const deleteElements = (table: TableName, map: NatMap, elements: readonly MapElement[]): NetlinkMessage[] =>
  elementMessages(messageType.deleteElement, 0, table, map, elements);

/** NF_INET_FORWARD and so on. */
export const hookNumbers: Readonly<Record<Hook, number>> = {
  prerouting: 0,
  input: 1,
  forward: 2,
  output: 3,
  postrouting: 4,
};
const policyAccept = 1;

const newChain = ({ name, family }: TableName, chain: BaseChain): NetlinkMessage =>
  message(
    messageType.newChain,
    flags.create,
    familyNumber[family],
    textAttribute(1, name),
    textAttribute(3, chain.name),
    nested(4, be32Attribute(1, hookNumbers[chain.hook]), be32Attribute(2, chain.priority)),
    be32Attribute(5, policyAccept),
    textAttribute(7, chain.type),
  );

/** Asks for all chains of all families. */
export const dumpChains = (): NetlinkMessage => message(messageType.getChain, flags.dump, 0);

/** Asks for all rules of one table. */
export const dumpRules = (family: number, table: string): NetlinkMessage =>
  message(messageType.getRule, flags.dump, family, textAttribute(1, table));

/** Asks for the elements of one set. */
export const dumpElements = (family: number, table: string, set: string): NetlinkMessage =>
  message(messageType.getElement, flags.dump, family, textAttribute(1, table), textAttribute(2, set));

/** The keys of a set; of one of ranges (intervals), the first of each, and what comes behind the last of each, in any order. */
export interface SetKeys {
  readonly keys: readonly Buffer[];
  readonly ends: readonly Buffer[];
}

const endsInterval = 1;

/** The keys in an answer to `dumpElements`; undefined for ranges of concatenations. */
export function keysIn(messages: readonly ReceivedMessage[]): SetKeys | undefined {
  const elements = messages.flatMap(({ body }) =>
    attributesListed(attributesIn(body, 4).get(3) ?? Buffer.alloc(0)).map((element) => attributesIn(element)),
  );
  if (elements.some((element) => element.has(elementKeyEnd))) return undefined;
  const keys: Buffer[] = [];
  const ends: Buffer[] = [];
  for (const element of elements) {
    const key = attributesIn(element.get(elementKey) ?? Buffer.alloc(0)).get(dataValue);
    const isEnd = ((element.get(elementFlags)?.readUInt32BE(0) ?? 0) & endsInterval) !== 0;
    if (key !== undefined) (isEnd ? ends : keys).push(key);
  }
  return { keys, ends };
}

/** A chain of any table, as it stands in an answer to `dumpChains`. */
export interface ForeignChain {
  /** The family's number (linux/netfilter.h), and its name for nft(8). */
  readonly familyNumber: number;
  readonly family: string;
  readonly table: string;
  readonly name: string;
  /** Undefined for one that is only jumped to. */
  readonly base: { readonly hook: number; readonly drops: boolean } | undefined;
}

const familyNames: Readonly<Record<number, string>> = { 1: 'inet', 2: 'ip', 10: 'ip6' };
const policyDrop = 0;

/** The chains in an answer to `dumpChains` that see packets of IP. */
export function chainsIn(messages: readonly ReceivedMessage[]): ForeignChain[] {
  return messages.flatMap(({ body }) => {
    const number = body.length < 4 ? 0 : body.readUInt8(0);
    const family = familyNames[number];
    if (family === undefined) return [];
    const attributes = attributesIn(body, 4);
    const at = attributes.get(4);
    const hook = at === undefined ? undefined : attributesIn(at).get(1)?.readUInt32BE(0);
    const base = hook === undefined ? undefined : { hook, drops: attributes.get(5)?.readUInt32BE(0) === policyDrop };
    return [{ familyNumber: number, family, table: textOf(attributes.get(1)), name: textOf(attributes.get(3)), base }];
  });
}

/** What a notice of the kernel's is about: the table; undefined for elements of maps, and for what is no change. */
export function changedTable(notice: ReceivedMessage): string | undefined {
  const isElement = notice.type === messageType.newElement || notice.type === messageType.deleteElement;
  // Chains and rules carry the name of their table in attribute 1, tables their own.
  if (notice.type >> 8 !== subsystem || isElement || notice.body.length < 4) return undefined;
  return textOf(attributesIn(notice.body, 4).get(1));
}

const newRule = ({ name, family }: TableName, chain: string, rule: Rule): NetlinkMessage =>
  message(
    messageType.newRule,
    flags.create | flags.append,
    familyNumber[family],
    textAttribute(1, name),
    textAttribute(2, chain),
    nested(4, ...ruleExpressions(rule, family)),
    attribute(7, commentBytes(rule.comment)),
  );

/** User data of a rule as nft(8) keeps it: type 0, one byte of length, the text with its NUL. */
function commentBytes(comment: string): Buffer {
  const text = Buffer.from(`${comment}\0`);
  return Buffer.concat([Uint8Array.of(0, text.length), text]);
}
