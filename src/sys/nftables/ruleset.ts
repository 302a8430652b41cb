/**
 * A netfilter table as data: what the engine wants, before it becomes netlink messages (`encode.ts`) or text
 * (`render.ts`). It covers the families `ip` and `ip6` and exactly the expressions that the engine uses; a new one is
 * added to all three files.
 */

/** IPv4 or IPv6. */
export type TableFamily = 4 | 6;

/** 4 or 16 bytes in network order with a prefix length. */
export interface IpPrefix {
  readonly address: Uint8Array;
  readonly length: number;
}

/** The parts that keys and values of maps are made of. */
export type FieldType = 'inet_proto' | 'ipv4_addr' | 'ipv6_addr' | 'inet_service';
/** `inet_proto` and `inet_service` are numbers, addresses are 4 or 16 bytes. */
export type FieldValue = number | Uint8Array;

/** Where a packet's part of a key comes from. */
export type FieldSource = 'protocol' | 'source' | 'destination' | 'destination-port';

/** A map, or, without a value, a set. */
export interface NatMap {
  readonly name: string;
  readonly key: readonly FieldType[];
  readonly value: readonly FieldType[];
  /** Each part of an element's key is a range; two elements must not overlap in part. */
  readonly ranges?: boolean;
}
export interface MapElement {
  readonly key: readonly FieldValue[];
  /** The last values of the ranges that `key` begins, in a set of ranges; the same values when left out. */
  readonly keyEnd?: readonly FieldValue[];
  readonly value: readonly FieldValue[];
}

/** Conditions; all of a rule's must hold. */
export type Match =
  | { readonly on: 'in-interface' | 'out-interface'; readonly not?: boolean; readonly name: string }
  | { readonly on: 'source' | 'destination'; readonly not?: boolean; readonly prefix: IpPrefix }
  /** The protocol above IP, by number. */
  | { readonly on: 'protocol'; readonly number: number }
  | {
      readonly on: 'source-port' | 'destination-port';
      readonly protocol: 'tcp' | 'udp';
      readonly port: number;
    }
  /** Parts of the packet are in a set, or `not`. */
  | { readonly on: 'in-set'; readonly not?: boolean; readonly key: readonly FieldSource[]; readonly set: string }
  /** The destination is an address of this host. */
  | { readonly on: 'destination-local' }
  /** The packet begins a connection. */
  | { readonly on: 'new' }
  /** Some bits of the packet's mark. */
  | { readonly on: 'mark'; readonly value: number; readonly mask: number }
  /** The packet belongs, or is related, to a connection that was let through. */
  | { readonly on: 'established' }
  /** Packets of the rule come faster than so many bytes a second, after a burst of so many bytes. */
  | { readonly on: 'over-rate'; readonly rate: number; readonly burst: number }
  /** The connection's destination was rewritten. */
  | { readonly on: 'destination-rewritten' };

export type Verdict =
  | { readonly do: 'accept' | 'drop' | 'return' | 'masquerade' }
  /** Rewrites the source to this address of the host. */
  | { readonly do: 'snat'; readonly address: Uint8Array }
  /**
   * Sends a copy out of an interface, as if its way led over `address`, and drops the packet itself. The kernel wants
   * the interface's index, which must be the one of `name`.
   */
  | { readonly do: 'send-again'; readonly address: Uint8Array; readonly name: string; readonly index: number }
  /**
   * Writes another port into this one packet, past connection tracking, which never sees it; goes on with the next rule.
   * Packets of the other direction need a rule of their own.
   */
  | {
      readonly do: 'set-port';
      readonly protocol: 'tcp' | 'udp';
      readonly of: 'source' | 'destination';
      readonly to: number;
    }
  /** Rewrites the destination to what the map has for the key; goes on with the next rule when it has nothing. */
  | { readonly do: 'dnat'; readonly key: readonly FieldSource[]; readonly map: string };

export interface Rule {
  readonly when: readonly Match[];
  readonly then: Verdict;
  /** For people who list the table; at most 120 characters. */
  readonly comment: string;
}

export type Hook = 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting';

/** A chain that the kernel runs at `hook`; packets that reach its end are accepted. */
export interface BaseChain {
  readonly name: string;
  readonly type: 'filter' | 'nat';
  readonly hook: Hook;
  /** Lower runs first; the usual values are in `priority`. */
  readonly priority: number;
  readonly rules: readonly Rule[];
}

/** Priorities as linux/netfilter_ipv4.h has them. */
export const priority = {
  raw: -300,
  mangle: -150,
  destinationNat: -100,
  filter: 0,
  sourceNat: 100,
  last: 300,
} as const;

export interface Table {
  readonly name: string;
  readonly family: TableFamily;
  readonly maps: readonly (NatMap & { readonly elements: readonly MapElement[] })[];
  readonly chains: readonly BaseChain[];
}
