import type { ForeignCondition } from './foreign.ts';

/**
 * What extensions of iptables ask for, out of the kernel's structures (linux/netfilter/xt_*.h, in host order); nftables
 * carries them as they are in tables that iptables-nft has written.
 */

const other: readonly ForeignCondition[] = [{ on: 'other' }];
const anyPort = 65_535;

/** @param info the extension's own structure; shorter ones than expected are not understood */
export function extensionConditions(name: string, revision: number, info: Buffer): readonly ForeignCondition[] {
  switch (name) {
    case 'comment':
      return [];
    case 'tcp':
      // struct xt_tcp: options and flags come before what is inverted.
      return info.length < 12 || info.readUInt8(8) !== 0 || info.readUInt8(9) !== 0
        ? other
        : portsIn(info, info.readUInt8(11));
    case 'udp':
      return info.length < 9 ? other : portsIn(info, info.readUInt8(8));
    case 'multiport':
      return revision === 1 && info.length >= 48 ? portListIn(info) : other;
    case 'conntrack':
      return revision >= 2 && info.length >= 152 ? trackedIn(info) : other;
    default:
      return other;
  }
}

/** First and last port of the source, the same of the destination. */
function portsIn(info: Buffer, inverted: number): readonly ForeignCondition[] {
  const [from, to] = [info.readUInt16LE(0), info.readUInt16LE(2)];
  const [first, last] = [info.readUInt16LE(4), info.readUInt16LE(6)];
  const not = (inverted & 2) !== 0;
  const isAnySource = from === 0 && to === anyPort && (inverted & 1) === 0;
  const isAny = first === 0 && last === anyPort && !not;
  return [...(isAnySource ? [] : other), ...(isAny ? [] : [{ on: 'port', not, ranges: [[first, last]] } as const])];
}

const destinationPorts = 1;

/** struct xt_multiport_v1: ports, and for each whether it begins a range that the next one ends. */
function portListIn(info: Buffer): readonly ForeignCondition[] {
  if (info.readUInt8(0) !== destinationPorts) return other;
  const ranges: (readonly [number, number])[] = [];
  for (let at = 0; at < Math.min(info.readUInt8(1), 15); at++) {
    const first = info.readUInt16LE(2 + 2 * at);
    const isRange = at < 14 && info.readUInt8(32 + at) !== 0;
    if (isRange) at++;
    ranges.push([first, isRange ? info.readUInt16LE(2 + 2 * at) : first]);
  }
  return [{ on: 'port', not: info.readUInt8(47) !== 0, ranges }];
}

const [matchesState, stateDestinationNat] = [1, 1 << 7];
const ofConnection = 0x3f;

/** struct xt_conntrack_mtinfo2 and later: only those that look at nothing but the state. */
function trackedIn(info: Buffer): readonly ForeignCondition[] {
  if (info.readUInt16LE(146) !== matchesState) return other;
  const not = (info.readUInt16LE(148) & matchesState) !== 0;
  const states = info.readUInt16LE(150);
  if (states === stateDestinationNat) return [{ on: 'status', not, bits: 1 << 5 }];
  return (states & ~ofConnection) === 0 ? [{ on: 'state', not, bits: states }] : other;
}
