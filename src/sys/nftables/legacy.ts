import { readFileSync } from 'node:fs';
import { closeFd } from '../ffi/descriptor.ts';
import { check, systemCode } from '../ffi/errors.ts';
import { openLibrary } from '../ffi/library.ts';
import { textOf } from '../netlink/message.ts';
import { extensionConditions } from './_extensions.ts';
import type { ForeignCondition, ForeignRule } from './foreign.ts';
import type { Hook } from './ruleset.ts';
import type { ForeignTable } from './tables.ts';

/**
 * The tables of legacy iptables (linux/netfilter_ipv4/ip_tables.h, netfilter_ipv6/ip6_tables.h), which nftables does not
 * show: whole, by socket options of a raw socket. The kernel tells nobody when they change.
 */

const libc = openLibrary(null, {
  socket: { arguments: ['i32', 'i32', 'i32'], return: 'i32' },
  getsockopt: { arguments: ['i32', 'i32', 'i32', 'pointer', 'pointer'], return: 'i32' },
});
const SOCK_RAW_CLOEXEC = 3 | 0o2000000;
const IPPROTO_RAW = 255;
/** IPT_SO_GET_INFO and IPT_SO_GET_ENTRIES; those of IPv6 have the same numbers. */
const [getInfo, getEntries] = [64, 65];

/** Where things are in the structures of a family: struct ipt_entry, struct ip6t_entry. */
interface Layout {
  readonly family: 'ip' | 'ip6';
  readonly socketFamily: number;
  readonly level: number;
  /** The file with the names of the tables that are there; a look into it loads no module. */
  readonly names: string;
  /** Source, destination and their masks, at the beginning. */
  readonly addresses: number;
  readonly interfaces: number;
  readonly protocol: number;
  readonly flags: number;
  /** The bit that makes a jump a goto; all others are about things not of interest here. */
  readonly goto: number;
  readonly inverted: number;
  readonly targetOffset: number;
  readonly matches: number;
}

const layouts: readonly Layout[] = [
  {
    family: 'ip',
    socketFamily: 2,
    level: 0,
    names: '/proc/thread-self/net/ip_tables_names',
    addresses: 16,
    interfaces: 16,
    protocol: 80,
    flags: 82,
    goto: 2,
    inverted: 83,
    targetOffset: 88,
    matches: 112,
  },
  {
    family: 'ip6',
    socketFamily: 10,
    level: 41,
    names: '/proc/thread-self/net/ip6_tables_names',
    addresses: 64,
    interfaces: 64,
    protocol: 128,
    flags: 131,
    goto: 4,
    inverted: 132,
    targetOffset: 140,
    matches: 168,
  },
];

/** True when the calling thread's namespace has tables of legacy iptables. Some microseconds. */
export const hasLegacyTables = (): boolean => layouts.some((layout) => namesOf(layout).length > 0);

/** Those tables that have a chain at one of the hooks. For the syscall worker. @throws SystemError */
export const legacyTables = (hooks: readonly Hook[]): ForeignTable[] =>
  layouts.flatMap((layout) => {
    const names = namesOf(layout);
    if (names.length === 0) return [];
    const fd = check(libc.socket(layout.socketFamily, SOCK_RAW_CLOEXEC, IPPROTO_RAW), 'socket');
    try {
      return names.flatMap((name) => readTable(fd, layout, name, hooks)).filter(({ bases }) => bases.length > 0);
    } finally {
      closeFd(fd);
    }
  });

function namesOf({ names }: Layout): string[] {
  try {
    return readFileSync(names, 'utf8').split('\n').filter(Boolean);
  } catch {
    return [];
  }
}

const nameBytes = 32;
/** Behind name and size, aligned to 8 bytes. */
const entriesAt = 40;
/** A table changes now and then, but not each time that it is looked at. */
const mostTries = 5;

/** Empty when the table is gone. */
function readTable(fd: number, layout: Layout, name: string, hooks: readonly Hook[]): ForeignTable[] {
  for (let tried = 1; ; tried++) {
    const info = Buffer.alloc(84);
    info.write(name, 0, nameBytes - 1, 'latin1');
    try {
      ask(fd, layout, getInfo, info);
      const size = info.readUInt32LE(80);
      const bytes = Buffer.alloc(entriesAt + size);
      bytes.write(name, 0, nameBytes - 1, 'latin1');
      bytes.writeUInt32LE(size, nameBytes);
      ask(fd, layout, getEntries, bytes);
      return [tableIn(layout, name, info, bytes.subarray(entriesAt), hooks)];
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return [];
      // It has another size by now.
      if (systemCode(error) !== 'EAGAIN' || tried === mostTries) throw error;
    }
  }
}

function ask(fd: number, { level }: Layout, option: number, bytes: Buffer): void {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  check(libc.getsockopt(fd, level, option, bytes, length), 'getsockopt');
}

/** In the order of the kernel's numbers. */
const hookNames: readonly (readonly [hook: Hook, chain: string])[] = [
  ['prerouting', 'PREROUTING'],
  ['input', 'INPUT'],
  ['forward', 'FORWARD'],
  ['output', 'OUTPUT'],
  ['postrouting', 'POSTROUTING'],
];
const [hookEntries, underflows] = [36, 56];

/** @param info struct ipt_getinfo: hooks, and where the rules and the policy of each begin */
function tableIn(layout: Layout, name: string, info: Buffer, bytes: Buffer, hooks: readonly Hook[]): ForeignTable {
  const bases: { name: string; hook: Hook; drops: boolean }[] = [];
  const starts = new Map<number, string>();
  const policies = new Set<number>();
  for (const [at, [hook, chain]] of hookNames.entries()) {
    if ((info.readUInt32LE(nameBytes) & (1 << at)) === 0) continue;
    const policy = info.readUInt32LE(underflows + 4 * at);
    starts.set(info.readUInt32LE(hookEntries + 4 * at), chain);
    policies.add(policy);
    const drops = targetAt(layout, bytes, policy).verdict === dropVerdict;
    if (hooks.includes(hook)) bases.push({ name: chain, hook, drops });
  }
  const offsets = [...entryOffsets(layout, bytes)];
  for (const at of offsets) {
    const { name: target, text } = targetAt(layout, bytes, at);
    if (target === 'ERROR') starts.set(at + bytes.readUInt16LE(at + layout.targetOffset + 2), text);
  }
  const rules = new Map<string, ForeignRule[]>();
  let chain = '';
  for (const at of offsets) {
    chain = starts.get(at) ?? chain;
    if (policies.has(at) || targetAt(layout, bytes, at).name === 'ERROR') continue;
    const found = rules.get(chain) ?? [];
    rules.set(chain, found);
    found.push({ conditions: conditionsAt(layout, bytes, at), verdict: verdictAt(layout, bytes, at, starts) });
  }
  return { family: layout.family, name, isLegacy: true, bases, chains: new Set(starts.values()), rules };
}

function* entryOffsets({ targetOffset, matches }: Layout, bytes: Buffer): Generator<number> {
  for (let at = 0; at + matches <= bytes.length; ) {
    yield at;
    const length = bytes.readUInt16LE(at + targetOffset + 2);
    if (length < matches) return;
    at += length;
  }
}

/** `verdict` is the number of the standard target, `text` the name of the chain that an `ERROR` begins. */
function targetAt({ targetOffset }: Layout, bytes: Buffer, at: number) {
  const target = bytes.subarray(at + bytes.readUInt16LE(at + targetOffset));
  const [name, data] = [textOf(target.subarray(2, 31)), target.subarray(32)];
  return { name, verdict: name === '' ? data.readInt32LE(0) : undefined, text: textOf(data.subarray(0, 30)) };
}

/** Verdicts are stored as -1 less than their number; what is not negative is the place where the rules go on. */
const [dropVerdict, acceptVerdict, returnVerdict] = [-1, -2, -5];

function verdictAt(
  layout: Layout,
  bytes: Buffer,
  at: number,
  starts: ReadonlyMap<number, string>,
): ForeignRule['verdict'] {
  const { name, verdict } = targetAt(layout, bytes, at);
  if (name === 'REJECT' || verdict === dropVerdict) return { do: 'drop' };
  if (verdict === acceptVerdict) return { do: 'accept' };
  if (verdict === returnVerdict) return { do: 'return' };
  // A rule without a target goes on at the next one.
  const chain = verdict === undefined || verdict < 0 ? undefined : starts.get(verdict);
  if (chain === undefined) return undefined;
  return { do: (bytes.readUInt8(at + layout.flags) & layout.goto) === 0 ? 'jump' : 'goto', chain };
}

const [notIn, notOut, notProtocol] = [1, 2, 0x40];

function conditionsAt(layout: Layout, bytes: Buffer, at: number): ForeignCondition[] {
  const conditions: ForeignCondition[] = [];
  const inverted = bytes.readUInt8(at + layout.inverted);
  const isOther =
    bytes.subarray(at, at + layout.addresses).some((byte) => byte !== 0) ||
    (inverted & ~(notIn | notOut | notProtocol)) !== 0;
  if (isOther) conditions.push({ on: 'other' });
  for (const [side, [on, not]] of (
    [
      ['in-interface', notIn],
      ['out-interface', notOut],
    ] as const
  ).entries()) {
    const name = bytes.subarray(at + layout.interfaces + 16 * side);
    const masked = bytes.subarray(at + layout.interfaces + 32 + 16 * side);
    let length = 0;
    while (length < 16 && masked[length] === 0xff) length++;
    if (length > 0) conditions.push({ on, not: (inverted & not) !== 0, names: [name.subarray(0, length)] });
  }
  const protocol = bytes.readUInt16LE(at + layout.protocol);
  if (protocol !== 0) {
    conditions.push({ on: 'protocol', not: (inverted & notProtocol) !== 0, ranges: [[protocol, protocol]] });
  }
  const end = at + bytes.readUInt16LE(at + layout.targetOffset);
  for (let match = at + layout.matches; match + 32 <= end; ) {
    const length = bytes.readUInt16LE(match);
    if (length < 32) break;
    const [name, revision] = [textOf(bytes.subarray(match + 2, match + 31)), bytes.readUInt8(match + 31)];
    conditions.push(...extensionConditions(name, revision, bytes.subarray(match + 32, match + length)));
    match += length;
  }
  return conditions;
}
