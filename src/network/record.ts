import { type NetworkId, isHex64 } from '../base/ids.ts';
import type { Ipam } from '../spec/engine/network.ts';

/** `null` is what Docker calls the driver of `none`, and of networks that are configuration only. */
export type NetworkDriver = 'bridge' | 'host' | 'null' | 'macvlan' | 'ipvlan';

/** A network as it is stored: kind `network`, under its id. Addresses of containers are in the containers' records. */
export interface NetworkRecord {
  readonly id: NetworkId;
  readonly name: string;
  readonly driver: NetworkDriver;
  /** Wall clock, nanoseconds, in decimal. */
  readonly createdNs: string;
  /** Of the default network: `172.17.0.0/16`. */
  readonly subnet?: string;
  readonly gateway?: string;
  /** Of the default network with IPv6. */
  readonly subnet6?: string;
  readonly gateway6?: string;
  /** Of the default network: its options about bandwidth (`rates/rate.ts`). */
  readonly rates?: Readonly<Record<string, string>>;
  /** What somebody made it with; undefined for predefined networks. */
  readonly definition?: NetworkDefinition;
}

/** What a user-defined network is. */
export interface NetworkDefinition {
  readonly ipv4: boolean;
  readonly ipv6: boolean;
  readonly internal: boolean;
  readonly attachable: boolean;
  /** A store of settings for other networks; nothing is on the host for it. */
  readonly configOnly: boolean;
  /** Name of the network whose settings it has; empty for its own. */
  readonly configFrom: string;
  /** As it was asked for. */
  readonly ipam: Ipam;
  readonly options: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  /** What it has: at most one of each family for bridges. */
  readonly pools: readonly PoolRecord[];
  /** The interface that the engine made for it: the bridge, or the parent of its containers' interfaces. */
  readonly ownInterface?: string;
}

/** One subnet of a network. */
export interface PoolRecord {
  readonly subnet: string;
  readonly range?: string;
  /** Undefined when it has none. */
  readonly gateway?: string;
  /** Addresses by name that containers never get. */
  readonly auxiliary: Readonly<Record<string, string>>;
}

export const networkRecordKind = 'network';

/** The networks that every engine has; their names cannot be taken or removed. */
export const predefinedNames: ReadonlySet<string> = new Set(['bridge', 'host', 'none']);

const drivers: ReadonlySet<string> = new Set(['bridge', 'host', 'null', 'macvlan', 'ipvlan']);

/** The record in a stored value, or undefined when it is damaged. */
export function decodeNetworkRecord(value: unknown): NetworkRecord | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const record = value as NetworkRecord;
  const { id, name, driver, createdNs, rates, definition } = record;
  const isComplete =
    typeof id === 'string' &&
    isHex64(id) &&
    typeof name === 'string' &&
    typeof createdNs === 'string' &&
    drivers.has(driver) &&
    (rates === undefined || (typeof rates === 'object' && rates !== null)) &&
    (definition === undefined || isDefinition(definition));
  return isComplete ? record : undefined;
}

const isDefinition = (value: NetworkDefinition): boolean =>
  typeof value === 'object' &&
  value !== null &&
  typeof value.options === 'object' &&
  typeof value.labels === 'object' &&
  typeof value.ipam === 'object' &&
  Array.isArray(value.pools) &&
  value.pools.every((pool: PoolRecord) => typeof pool.subnet === 'string' && typeof pool.auxiliary === 'object');

/** True for networks that other people's requests may not remove. */
export const isPredefined = ({ definition }: NetworkRecord): boolean => definition === undefined;
