import { type NetworkId, isHex64 } from '../base/ids.ts';

/** A network as it is stored: kind `network`, under its id. Addresses of containers are in the containers' records. */
export interface NetworkRecord {
  readonly id: NetworkId;
  readonly name: string;
  readonly driver: 'bridge' | 'host' | 'null';
  /** Wall clock, nanoseconds, in decimal. */
  readonly createdNs: string;
  /** `172.17.0.0/16`; undefined for drivers without addresses. */
  readonly subnet?: string;
  readonly gateway?: string;
}

export const networkRecordKind = 'network';

/** The networks that every engine has; their names cannot be taken or removed. */
export const predefinedNames: ReadonlySet<string> = new Set(['bridge', 'host', 'none']);

/** The record in a stored value, or undefined when it is damaged. */
export function decodeNetworkRecord(value: unknown): NetworkRecord | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { id, name, driver, createdNs, subnet, gateway } = value as Record<string, unknown>;
  if (typeof id !== 'string' || !isHex64(id) || typeof name !== 'string' || typeof createdNs !== 'string')
    return undefined;
  if (driver !== 'bridge' && driver !== 'host' && driver !== 'null') return undefined;
  return {
    id: id as NetworkId,
    name,
    driver,
    createdNs,
    ...(typeof subnet === 'string' ? { subnet } : {}),
    ...(typeof gateway === 'string' ? { gateway } : {}),
  };
}
