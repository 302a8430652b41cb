import type { ContainerId, Digest, DiffId } from '../base/ids.ts';
import type { Sandbox } from '../spec/contract/network.ts';
import type { IdMapping } from '../spec/contract/user-namespace.ts';
import type { ContainerConfig, EndpointSettings, HostConfig } from '../spec/engine/container.ts';
import type { MountExtras } from './create/mount-extras.ts';
import type { HealthState } from './health/state.ts';
import type { LinkRecord } from './links/links.ts';
import type { ContainerState } from './state.ts';

/** The kind of the containers' records in the state database. */
export const containerKind = 'container';

/** One mount of a container, decided at create; what `volume` and `bind` point to is looked up again at every start. */
export interface MountRecord {
  readonly type: 'bind' | 'volume' | 'tmpfs' | 'image';
  /** Volume or image name; empty for the other types. */
  readonly name: string;
  /** Host path; empty for tmpfs and images. */
  readonly source: string;
  /** As the user or the image wrote it, cleaned, absolute. */
  readonly destination: string;
  readonly driver: string;
  /** Docker's `Mode`: the option string of `-v`. */
  readonly mode: string;
  readonly readOnly: boolean;
  readonly recursive: boolean;
  /** What is mounted below a read-only bind stays writable. */
  readonly readOnlyNonRecursive: boolean;
  /** It must become read-only too. */
  readonly readOnlyForceRecursive?: boolean;
  readonly propagation: string;
  /** The engine chose the propagation: where it cannot be had, the mount is private. */
  readonly propagationChosen?: boolean;
  /** The part of a volume or image that is shown; empty or left out for all of it. */
  readonly subpath?: string;
  /** Of an image. */
  readonly image?: { readonly id: Digest; readonly layers: readonly DiffId[] };
  /** tmpfs(5) options; empty for the other types. */
  readonly options: readonly string[];
  /** An anonymous volume, deleted together with its container on request. */
  readonly anonymous: boolean;
  /** A bind source that is missing at the start becomes a directory (`-v`) instead of an error (`--mount`). */
  readonly createSource: boolean;
  /** Ownership and overlay, as Podman has them. */
  readonly extras?: MountExtras | undefined;
}

/** Everything about one container that must survive the engine. Times are wall clock nanoseconds. */
export interface ContainerRecord {
  readonly id: ContainerId;
  readonly name: string;
  readonly createdNs: bigint;
  /** The image's Id, and the name that the user gave. */
  readonly imageId: Digest;
  readonly imageName: string;
  readonly imageManifest: Digest;
  readonly platform: string;
  readonly layers: readonly DiffId[];
  /** Merged with the image's presets. */
  readonly config: ContainerConfig;
  readonly hostConfig: HostConfig;
  /** By network name; empty for the network of the mode, unless it is `detached`. */
  readonly endpoints: Readonly<Record<string, EndpointSettings>>;
  /** It was disconnected from its last network. */
  readonly detached?: boolean;
  readonly mounts: readonly MountRecord[];
  /** The containers that it is linked to. */
  readonly links?: readonly LinkRecord[];
  readonly state: ContainerState;
  /** The ids of its user namespace; left out for the host's. */
  readonly ids?: IdMapping;
  /**
   * Of a container with a health check, from its first start on. In memory it is as of the last check, on disk as of
   * the last change of the status (or of anything else): an engine that was killed goes on from there.
   */
  readonly health?: HealthState;
  /** Automatic restarts since the user last started it. */
  readonly restartCount: number;
  /** The wait before the last automatic restart, in milliseconds: the next one is longer. */
  readonly restartDelayMs?: number;
  /** What ends the current run wants another one (`health/react.ts`), whatever the restart policy says. */
  readonly revive?: boolean;
  /** The user stopped it: `always` and `unless-stopped` do not bring it back until the next start. */
  readonly stoppedByUser: boolean;
  /** The live network while it runs, the last one's settings afterwards. */
  readonly sandbox: Sandbox | undefined;
}

/** JSON for the state database: bigint as `{"$bigint":"123"}`, nothing else is special. */
export function encodeRecord(record: ContainerRecord): unknown {
  return { ...withoutBigints(record), state: withoutBigints(record.state) };
}

/** Times are the only bigints, and only the record itself and its state hold any: no need to look deeper. */
function withoutBigints(value: object): Record<string, unknown> {
  const encoded = Object.entries(value).map(([key, inner]: [string, unknown]) => [
    key,
    typeof inner === 'bigint' ? { $bigint: inner.toString() } : inner,
  ]);
  return Object.fromEntries(encoded) as Record<string, unknown>;
}

/**
 * The record in a stored value.
 * @throws Error when it has not the shape that `encodeRecord` writes; the caller sets it aside.
 */
export function decodeRecord(value: unknown): ContainerRecord {
  const record = revive(value) as ContainerRecord;
  const complete =
    typeof record === 'object' &&
    record !== null &&
    typeof record.id === 'string' &&
    typeof record.name === 'string' &&
    typeof record.createdNs === 'bigint' &&
    typeof record.state?.phase === 'string' &&
    typeof record.config === 'object' &&
    typeof record.hostConfig === 'object' &&
    Array.isArray(record.layers) &&
    Array.isArray(record.mounts);
  if (!complete) throw new Error('a container record lacks required fields');
  return record;
}

function revive(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(revive);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value);
  const only = entries[0];
  if (entries.length === 1 && only?.[0] === '$bigint' && typeof only[1] === 'string') return BigInt(only[1]);
  const result: Record<string, unknown> = {};
  for (const [key, inner] of entries) {
    Object.defineProperty(result, key, { value: revive(inner), enumerable: true, writable: true, configurable: true });
  }
  return result;
}
