/**
 * A netfilter table as data: what the engine wants, before it becomes netlink messages (`encode.ts`) or text
 * (`render.ts`). It covers the IPv4 family and exactly the expressions that the engine uses; a new one is added to
 * all three files.
 */

/** 4 bytes in network order with a prefix length. */
export interface Ipv4Prefix {
  readonly address: Uint8Array;
  readonly length: number;
}

/** The parts that keys and values of maps are made of. */
export type FieldType = 'inet_proto' | 'ipv4_addr' | 'inet_service';
/** `inet_proto` and `inet_service` are numbers, `ipv4_addr` is 4 bytes. */
export type FieldValue = number | Uint8Array;

/** Where a packet's part of a key comes from. */
export type FieldSource = 'protocol' | 'destination' | 'destination-port';

export interface NatMap {
  readonly name: string;
  readonly key: readonly FieldType[];
  readonly value: readonly FieldType[];
}
export interface MapElement {
  readonly key: readonly FieldValue[];
  readonly value: readonly FieldValue[];
}

/** Conditions; all of a rule's must hold. */
export type Match =
  | { readonly on: 'in-interface' | 'out-interface'; readonly not?: boolean; readonly name: string }
  | { readonly on: 'source' | 'destination'; readonly not?: boolean; readonly prefix: Ipv4Prefix }
  /** The destination is an address of this host. */
  | { readonly on: 'destination-local' }
  /** The packet belongs, or is related, to a connection that was let through. */
  | { readonly on: 'established' }
  /** The connection's destination was rewritten. */
  | { readonly on: 'destination-rewritten' };

export type Verdict =
  | { readonly do: 'accept' | 'drop' | 'return' | 'masquerade' }
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
export const priority = { raw: -300, destinationNat: -100, filter: 0, sourceNat: 100 } as const;

export interface Table {
  readonly name: string;
  readonly maps: readonly (NatMap & { readonly elements: readonly MapElement[] })[];
  readonly chains: readonly BaseChain[];
}
