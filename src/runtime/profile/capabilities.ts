import { invalid } from '../../base/errors.ts';
import type { OciCapabilities } from '../../spec/oci/runtime.ts';

/** All capabilities of Linux, in the order of their numbers (capabilities(7), linux/capability.h). */
export const knownCapabilities: readonly string[] = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_DAC_READ_SEARCH',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETPCAP',
  'CAP_LINUX_IMMUTABLE',
  'CAP_NET_BIND_SERVICE',
  'CAP_NET_BROADCAST',
  'CAP_NET_ADMIN',
  'CAP_NET_RAW',
  'CAP_IPC_LOCK',
  'CAP_IPC_OWNER',
  'CAP_SYS_MODULE',
  'CAP_SYS_RAWIO',
  'CAP_SYS_CHROOT',
  'CAP_SYS_PTRACE',
  'CAP_SYS_PACCT',
  'CAP_SYS_ADMIN',
  'CAP_SYS_BOOT',
  'CAP_SYS_NICE',
  'CAP_SYS_RESOURCE',
  'CAP_SYS_TIME',
  'CAP_SYS_TTY_CONFIG',
  'CAP_MKNOD',
  'CAP_LEASE',
  'CAP_AUDIT_WRITE',
  'CAP_AUDIT_CONTROL',
  'CAP_SETFCAP',
  'CAP_MAC_OVERRIDE',
  'CAP_MAC_ADMIN',
  'CAP_SYSLOG',
  'CAP_WAKE_ALARM',
  'CAP_BLOCK_SUSPEND',
  'CAP_AUDIT_READ',
  'CAP_PERFMON',
  'CAP_BPF',
  'CAP_CHECKPOINT_RESTORE',
];

/** What a container gets that asks for nothing: Docker's 14. */
export const defaultCapabilities: readonly string[] = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FSETID',
  'CAP_FOWNER',
  'CAP_MKNOD',
  'CAP_NET_RAW',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETFCAP',
  'CAP_SETPCAP',
  'CAP_NET_BIND_SERVICE',
  'CAP_SYS_CHROOT',
  'CAP_KILL',
  'CAP_AUDIT_WRITE',
];

const known = new Set(knownCapabilities);

export interface CapabilityRequest {
  readonly privileged: boolean;
  readonly add: readonly string[] | null;
  readonly drop: readonly string[] | null;
}

/**
 * The capabilities of a container, in a fixed order, out of `available` (those the engine can hand on).
 * Names may lack `CAP_` and have any case; `ALL` stands for all, and what is added beats what is dropped, as in Docker.
 * A privileged container gets everything, whatever else is asked. @throws invalid, in Docker's words, for an unknown capability or one that the host cannot give.
 */
export function resolveCapabilities(request: CapabilityRequest, available: ReadonlySet<string>): string[] {
  const add = normalize(request.add, 'CapAdd', available);
  const drop = normalize(request.drop, 'CapDrop', undefined);
  const all = knownCapabilities.filter((name) => available.has(name));
  if (request.privileged) return all;
  if (add.has('ALL')) return all.filter((name) => !drop.has(name));
  const base = drop.has('ALL') ? [] : defaultCapabilities.filter((name) => !drop.has(name));
  const chosen = new Set([...base, ...add]);
  return all.filter((name) => chosen.has(name));
}

/** `available` undefined: names only have to be known (dropping what is not there is no fault). */
function normalize(
  names: readonly string[] | null,
  field: string,
  available: ReadonlySet<string> | undefined,
): Set<string> {
  const result = new Set<string>();
  for (const name of names ?? []) {
    const upper = name.toUpperCase();
    if (upper === 'ALL') {
      result.add('ALL');
      continue;
    }
    const full = upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
    if (!known.has(full)) throw invalid(`invalid ${field}: unknown capability: ${JSON.stringify(full.slice(0, 100))}`);
    if (available !== undefined && !available.has(full)) {
      throw invalid(
        `invalid ${field}: capability not supported by your kernel or not available in the current environment: "${full}"`,
      );
    }
    result.add(full);
  }
  return result;
}

/**
 * The five sets of a process. Inheritable and ambient stay empty (CVE-2022-24769). A process that is not root gets
 * nothing but the bounding set, as if it had come out of execve(2).
 */
export function capabilitySets(capabilities: readonly string[], uid: number): OciCapabilities {
  const own = uid === 0 ? [...capabilities] : [];
  return { bounding: [...capabilities], effective: own, permitted: [...own], inheritable: [], ambient: [] };
}
