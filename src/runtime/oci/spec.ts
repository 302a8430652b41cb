import { EngineError, invalid } from '../../base/errors.ts';
import type { ExecRequest, LaunchRequest, NamespaceChoice } from '../../spec/contract/launch.ts';
import { hostId, type IdRange } from '../../spec/contract/user-namespace.ts';
import type { HostConfig } from '../../spec/engine/container.ts';
import type {
  OciDevice,
  OciDeviceRule,
  OciNamespace,
  OciLinux,
  OciNamespaceType,
  OciProcess,
  OciSpec,
} from '../../spec/oci/runtime.ts';
import { defaultDeviceRules, mapDevices, parseDeviceRule, privilegedDeviceRules } from '../profile/devices.ts';
import { defaultMaskedPaths, defaultReadonlyPaths } from '../profile/paths.ts';
import { parseSecurityOptions } from '../profile/security-options.ts';
import { seccompFilter } from '../profile/seccomp/filter.ts';
import { defaultFilter } from './default-filter.ts';
import type { HostFacts } from './host.ts';
import { containerMounts, initTarget, rootPropagation, takesInit } from './mounts.ts';
import { ociProcess } from './process.ts';
import { containerResources } from './resources.ts';

export interface BuiltSpec {
  readonly spec: OciSpec;
  /** What was asked but is not possible on this host, in sentences for the user. */
  readonly warnings: readonly string[];
}

export interface BuiltProcess {
  readonly process: OciProcess;
  readonly warnings: readonly string[];
}

/**
 * The `config.json` of a container: a pure translation of `request`, apart from the look-ups of device nodes.
 * @throws invalid for settings that contradict themselves, unavailable when the host lacks what they need.
 */
export async function buildContainerSpec(request: LaunchRequest, host: HostFacts): Promise<BuiltSpec> {
  const warnings: string[] = [];
  const { hostConfig: config } = request;
  const security = parseSecurityOptions(config.SecurityOpt);
  const process = ociProcess(request.process, config, config.Privileged, host, warnings);
  if (takesInit(request)) process.args = withInit(request, process.args, host);
  const { devices, rules } = await containerDevices(request, host);
  const hooks = request.deviceEdits?.hooks ?? {};
  addGroups(process, request.deviceEdits?.additionalGids ?? []);
  const resources = await containerResources(config, host, warnings);
  // A new cgroup has no limit, and crun cannot write -1.
  if ((resources.cpu?.quota ?? 0) < 0) delete resources.cpu?.quota;
  const propagation = rootPropagation(request.mounts);
  const sysctl = containerSysctls(request);
  const seccomp = seccompFilter(security.seccomp ?? defaultFilter(config.Privileged, host), config.Privileged, {
    arch: host.arch,
    kernel: host.kernel,
    capabilities: process.capabilities.bounding,
  });
  const spec: OciSpec = {
    ociVersion: '1.0.2',
    process,
    root: { path: request.rootfs, readonly: config.ReadonlyRootfs },
    ...(request.namespaces.uts.kind === 'new' && request.hostname !== '' ? { hostname: request.hostname } : {}),
    mounts: containerMounts(request, host, security.writableCgroups),
    linux: {
      namespaces: namespaces(request),
      ...idMappings(request),
      ...(devices.length > 0 ? { devices } : {}),
      cgroupsPath: cgroupPath(config.CgroupParent, request.id, host),
      resources: { devices: rules, ...resources },
      ...(propagation === undefined ? {} : { rootfsPropagation: propagation }),
      ...(Object.keys(sysctl).length > 0 ? { sysctl } : {}),
      ...(seccomp === undefined ? {} : { seccomp: seccomp.spec }),
      ...coveredPaths(config, host),
    },
    ...(Object.keys(hooks).length > 0 ? { hooks } : {}),
    ...annotations(config, seccomp?.program),
  };
  return { spec, warnings };
}

/** What of an exec decides how its process looks. */
export type ExecProcessRequest = Pick<ExecRequest, 'process' | 'hostConfig' | 'privileged'>;

/**
 * The process file of an exec: the container's limits and security, and its own user. It has all rights when it asks
 * for them, or when the container has them. The filter of system calls is the container's, whatever is asked.
 */
export function buildExecProcess(request: ExecProcessRequest, host: HostFacts): BuiltProcess {
  const warnings: string[] = [];
  const privileged = request.privileged || request.hostConfig.Privileged;
  const process = ociProcess(request.process, request.hostConfig, privileged, host, warnings);
  return { process, warnings };
}

function withInit(request: LaunchRequest, args: readonly string[], host: HostFacts): string[] {
  if (host.initPath === undefined) {
    throw new EngineError('unavailable', 'no init program is installed on this host: --init needs tini or catatonit');
  }
  return [initTarget(request.mounts), '--', ...args];
}

const namespaceTypes = [
  ['network', 'network'],
  ['pid', 'pid'],
  ['ipc', 'ipc'],
  ['uts', 'uts'],
  ['cgroup', 'cgroup'],
] as const satisfies readonly (readonly [keyof LaunchRequest['namespaces'], OciNamespaceType])[];

function namespaces(request: LaunchRequest): OciNamespace[] {
  const list: OciNamespace[] = [{ type: 'mount' }];
  for (const [key, type] of namespaceTypes) {
    const choice: NamespaceChoice = request.namespaces[key];
    if (choice.kind === 'new') list.push({ type });
    if (choice.kind === 'join') list.push({ type, path: choice.path });
  }
  if (request.userNamespace !== undefined) list.push({ type: 'user', path: request.userNamespace.path });
  return list;
}

/** What the joined user namespace maps: runtimes make files for it, and check ids against it. */
function idMappings({ userNamespace, process }: LaunchRequest): Pick<OciLinux, 'uidMappings' | 'gidMappings'> {
  if (userNamespace === undefined) return {};
  const { uids, gids } = userNamespace.ids;
  const { uid, gid, additionalGids } = process.user;
  for (const [what, ranges, id] of [
    ['uid', uids, uid] as const,
    ...[gid, ...additionalGids].map((one) => ['gid', gids, one] as const),
  ]) {
    if (hostId(ranges, id) === undefined) throw invalid(`the ${what} ${id} is not mapped in the user namespace`);
  }
  return { uidMappings: uids.map(ociRange), gidMappings: gids.map(ociRange) };
}

const ociRange = ({ inside, outside, size }: IdRange) => ({ containerID: inside, hostID: outside, size });

function addGroups(process: OciProcess, gids: readonly number[]): void {
  if (gids.length > 0) process.user.additionalGids = [...new Set([...(process.user.additionalGids ?? []), ...gids])];
}

async function containerDevices(
  { hostConfig: config, deviceEdits: edits }: LaunchRequest,
  host: HostFacts,
): Promise<{ devices: OciDevice[]; rules: OciDeviceRule[] }> {
  const devices = new Map<string, OciDevice>();
  if (config.Privileged) {
    for (const device of await host.devicesAt('/dev')) devices.set(device.path, device);
  }
  const rules = [...(config.Privileged ? privilegedDeviceRules : defaultDeviceRules)];
  for (const mapping of config.Devices ?? []) {
    const mapped = mapDevices(mapping, await host.devicesAt(mapping.PathOnHost));
    for (const device of mapped.devices) devices.set(device.path, device);
    if (!config.Privileged) rules.push(...mapped.rules);
  }
  for (const device of edits?.devices ?? []) devices.set(device.path, device);
  if (!config.Privileged) rules.push(...(edits?.rules ?? []));
  for (const text of config.DeviceCgroupRules ?? []) rules.push(parseDeviceRule(text));
  return { devices: [...devices.values()], rules };
}

/** Absolute, because a relative path would land below whatever cgroup the runtime happens to run in. */
export function cgroupPath(parent: string, id: string, host: Pick<HostFacts, 'cgroupParent'>): string {
  const chosen = parent === '' ? host.cgroupParent : parent;
  const parts = chosen.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..') || chosen.includes('\0')) {
    throw invalid(`invalid cgroup parent ${JSON.stringify(chosen.slice(0, 200))}`);
  }
  return `/${[...parts, id].join('/')}`;
}

/**
 * The sysctls that the runtime sets. Those of `net.` are left out: the network sets them before anything runs, and a
 * runtime that joins a namespace cannot know that it may.
 */
function containerSysctls(request: LaunchRequest): Record<string, string> {
  const sysctls: Record<string, string> = Object.create(null);
  for (const [name, value] of Object.entries(request.hostConfig.Sysctls ?? {})) {
    if (!name.startsWith('net.')) sysctls[name] = value;
  }
  if (request.domainname !== '' && request.namespaces.uts.kind === 'new') {
    sysctls['kernel.domainname'] ??= request.domainname;
  }
  return sysctls;
}

/** An empty list is the container's wish (`systempaths=unconfined`), null means the defaults. */
export function coveredPaths(config: HostConfig, host: HostFacts): { maskedPaths: string[]; readonlyPaths: string[] } {
  for (const path of [...(config.MaskedPaths ?? []), ...(config.ReadonlyPaths ?? [])]) {
    if (!path.startsWith('/') || path.includes('\0')) {
      throw invalid(`masked and read-only paths must be absolute, not ${JSON.stringify(path.slice(0, 200))}`);
    }
  }
  if (config.Privileged) return { maskedPaths: [], readonlyPaths: [] };
  return {
    maskedPaths: config.MaskedPaths === null ? defaultMaskedPaths(host.extraMaskedPaths) : [...config.MaskedPaths],
    readonlyPaths: config.ReadonlyPaths === null ? defaultReadonlyPaths() : [...config.ReadonlyPaths],
  };
}

/** crun takes a ready filter out of this annotation; other runtimes pass over it and compile `linux.seccomp`. */
const programAnnotation = 'run.oci.seccomp_bpf_data';

/** The user's own annotations, and the filter's program; nothing out of an image ever becomes one. */
function annotations(config: HostConfig, program: string | undefined): { annotations?: Record<string, string> } {
  const all = Object.entries(config.Annotations ?? {}).filter(([name]) => name !== programAnnotation);
  if (program !== undefined) all.push([programAnnotation, program]);
  return all.length === 0 ? {} : { annotations: Object.fromEntries(all) };
}
