import { readFileSync } from 'node:fs';
import { messageOf } from '../../base/errors.ts';
import { goQuote } from '../../base/text/quote.ts';
import type { Environment } from '../config.ts';
import { CliError } from '../errors.ts';
import type { FlagValues } from '../flags/types.ts';
import { readDevices } from './_device-spec.ts';
import { pairs, readEnvironment, readLabels } from '../key-values.ts';
import { checkMac } from '../mac-address.ts';
import { readNetworks } from './_network-spec.ts';
import { addExposed, readPorts } from './_port-spec.ts';
import { healthcheck } from './_health.ts';
import type { createFlags } from './_run-flags.ts';
import { restartPolicy } from './_restart-policy.ts';
import { cut } from './validate.ts';
import { readVolumes } from './_volume-spec.ts';

export type CreateFlags = FlagValues<typeof createFlags>;

/** The parts of a create request that the command itself looks at again. */
export interface CreateBody {
  AttachStdin: boolean;
  AttachStdout: boolean;
  AttachStderr: boolean;
  StdinOnce: boolean;
  Tty: boolean;
  Image: string;
  HostConfig: { AutoRemove: boolean; ConsoleSize: [number, number]; Dns: string[]; Mounts?: unknown[] };
  [field: string]: unknown;
}

const orNull = <T>(items: readonly T[]): readonly T[] | null => (items.length === 0 ? null : items);
const whenGiven = (name: string, value: unknown): Record<string, unknown> =>
  value === undefined ? {} : { [name]: value };
const mapOrNone = (name: string, map: ReadonlyMap<string, string>): Record<string, unknown> =>
  map.size === 0 ? {} : { [name]: Object.fromEntries(map) };

/** The body of `POST /containers/create` that the flags mean. @throws CliError for values that contradict each other. */
export function createBody(
  flags: CreateFlags,
  given: ReadonlySet<string>,
  args: readonly string[],
  env: Environment,
): CreateBody {
  if (flags['mac-address'] !== '') checkMac(flags['mac-address']);
  const swappiness = flags['memory-swappiness'];
  if (swappiness !== -1 && (swappiness < 0 || swappiness > 100)) {
    throw new CliError(`invalid value: ${swappiness}. Valid memory swappiness range is 0-100`);
  }
  const [Image = '', ...command] = args;
  const volumes = readVolumes(flags.volume);
  const ports = readPorts(flags.publish);
  addExposed(ports.exposed, flags.expose);
  const hasAttach = flags.attach.length > 0;
  const AttachStdin = flags.attach.includes('stdin') || flags.interactive;
  const hostConfig = {
    Binds: orNull(volumes.binds),
    PortBindings: ports.bindings,
    ...hostPart(flags, given),
    ...resources(flags),
  };
  return {
    Hostname: flags.hostname,
    Domainname: flags.domainname,
    User: flags.user,
    AttachStdin,
    AttachStdout: !hasAttach || flags.attach.includes('stdout'),
    AttachStderr: !hasAttach || flags.attach.includes('stderr'),
    ...(Object.keys(ports.exposed).length === 0 ? {} : { ExposedPorts: ports.exposed }),
    Tty: flags.tty,
    OpenStdin: flags.interactive,
    StdinOnce: flags.interactive && AttachStdin,
    Env: orNull(readEnvironment(flags['env-file'], flags.env, env)),
    Cmd: orNull(command),
    ...whenGiven('Healthcheck', healthcheck(flags)),
    Image,
    Volumes: Object.fromEntries(volumes.anonymous.map((target) => [target, {}])),
    WorkingDir: flags.workdir,
    Entrypoint: given.has('entrypoint') ? [flags.entrypoint] : null,
    OnBuild: null,
    Labels: pairs(readLabels(flags['label-file'], flags.label)),
    ...(flags['stop-signal'] === '' ? {} : { StopSignal: flags['stop-signal'] }),
    ...(given.has('stop-timeout') ? { StopTimeout: flags['stop-timeout'] } : {}),
    HostConfig: hostConfig,
    NetworkingConfig: {
      EndpointsConfig: readNetworks(flags.network, {
        aliases: flags['network-alias'],
        links: flags.link,
        ipv4: flags.ip,
        ipv6: flags.ip6,
        linkLocal: flags['link-local-ip'],
        mac: flags['mac-address'],
        rates: { in: flags['network-rate-in'], out: flags['network-rate-out'] },
      }),
    },
  };
}

function umaskOf(text: string): { Umask?: number } {
  if (text === '') return {};
  if (!/^0?[0-7]{1,3}$/.test(text))
    throw new CliError(`--umask: invalid mask ${JSON.stringify(text)}: 000 to 777 in octal`);
  return { Umask: Number.parseInt(text, 8) };
}

function hostPart(flags: CreateFlags, given: ReadonlySet<string>) {
  checkNamespaces(flags);
  const restart = restartPolicy(flags.restart);
  if (flags.rm && restart.Name !== 'no' && restart.Name !== '') {
    throw new CliError('conflicting options: cannot specify both --restart and --rm');
  }
  const security = securityOptions(flags['security-opt']);
  const tmpfs = new Map(flags.tmpfs.map((text) => [cut(text, ':').before, cut(text, ':').after]));
  return {
    ContainerIDFile: flags.cidfile,
    LogConfig: { Type: flags['log-driver'], Config: logOptions(flags) },
    NetworkMode: flags.network[0]?.target ?? 'default',
    RestartPolicy: restart,
    AutoRemove: flags.rm,
    VolumeDriver: flags['volume-driver'],
    VolumesFrom: orNull(flags['volumes-from']),
    ConsoleSize: [0, 0] as [number, number],
    ...mapOrNone('Annotations', flags.annotation),
    ...umaskOf(flags.umask),
    CapAdd: capabilities(flags['cap-add']),
    CapDrop: capabilities(flags['cap-drop']),
    CgroupnsMode: flags.cgroupns,
    Dns: flags.dns,
    DnsOptions: flags['dns-option'],
    DnsSearch: flags['dns-search'],
    ExtraHosts: orNull(flags['add-host']),
    GroupAdd: orNull(flags['group-add']),
    IpcMode: flags.ipc,
    Cgroup: '',
    Links: orNull(flags.link),
    OomScoreAdj: flags['oom-score-adj'],
    PidMode: flags.pid,
    Privileged: flags.privileged,
    PublishAllPorts: flags['publish-all'],
    ReadonlyRootfs: flags['read-only'],
    SecurityOpt: flags['security-opt'].length === 0 ? null : security.options,
    ...storageOptions(flags['storage-opt']),
    ...mapOrNone('Tmpfs', tmpfs),
    UTSMode: flags.uts,
    UsernsMode: userNamespaceMode(flags.userns),
    ShmSize: flags['shm-size'],
    ...mapOrNone('Sysctls', flags.sysctl),
    ...(flags.runtime === '' ? {} : { Runtime: flags.runtime }),
    Isolation: flags.isolation,
    ...(flags.mount.length === 0 ? {} : { Mounts: flags.mount }),
    MaskedPaths: security.unmasked ? [] : null,
    ReadonlyPaths: security.unmasked ? [] : null,
    ...(given.has('init') ? { Init: flags.init } : {}),
  };
}

/** Capabilities by their full names, sorted, each once. */
const capabilities = (names: readonly string[]): readonly string[] | null =>
  orNull([...new Set(names.map(fullCapability))].sort());

function fullCapability(name: string): string {
  const upper = name.trim().toUpperCase();
  return upper === 'ALL' || upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
}

function resources(flags: CreateFlags) {
  const devices = readDevices(flags.device);
  return {
    CpuShares: flags['cpu-shares'],
    Memory: flags.memory,
    NanoCpus: flags.cpus,
    CgroupParent: flags['cgroup-parent'],
    BlkioWeight: flags['blkio-weight'],
    BlkioWeightDevice: flags['blkio-weight-device'],
    BlkioDeviceReadBps: flags['device-read-bps'],
    BlkioDeviceWriteBps: flags['device-write-bps'],
    BlkioDeviceReadIOps: flags['device-read-iops'],
    BlkioDeviceWriteIOps: flags['device-write-iops'],
    CpuPeriod: flags['cpu-period'],
    CpuQuota: flags['cpu-quota'],
    CpuRealtimePeriod: flags['cpu-rt-period'],
    CpuRealtimeRuntime: flags['cpu-rt-runtime'],
    CpusetCpus: flags['cpuset-cpus'],
    CpusetMems: flags['cpuset-mems'],
    Devices: devices.mappings,
    DeviceCgroupRules: orNull(flags['device-cgroup-rule']),
    DeviceRequests: orNull([...flags.gpus, ...devices.requests]),
    MemoryReservation: flags['memory-reservation'],
    MemorySwap: flags['memory-swap'],
    MemorySwappiness: flags['memory-swappiness'],
    OomKillDisable: flags['oom-kill-disable'],
    PidsLimit: flags['pids-limit'],
    Ulimits: flags.ulimit,
    CpuCount: flags['cpu-count'],
    CpuPercent: flags['cpu-percent'],
    IOMaximumIOps: flags['io-maxiops'],
    IOMaximumBandwidth: flags['io-maxbandwidth'],
  };
}

function checkNamespaces(flags: CreateFlags): void {
  const isContainer = (mode: string) => mode.startsWith('container:') && mode.length > 'container:'.length;
  if (!['', 'host'].includes(flags.pid) && !isContainer(flags.pid)) throw new CliError('--pid: invalid PID mode');
  if (!['', 'host'].includes(flags.uts)) throw new CliError('--uts: invalid UTS mode');
  userNamespaceMode(flags.userns);
  if (!['', 'host', 'private'].includes(flags.cgroupns)) throw new CliError('--cgroupns: invalid CGROUP mode');
}

function logOptions(flags: CreateFlags): Record<string, string> {
  if (flags['log-driver'] === 'none' && flags['log-opt'].length > 0) {
    throw new CliError('invalid logging opts for driver none');
  }
  return pairs(flags['log-opt']);
}

/** `keep-id` alone means whoever calls; the engine knows the rest. */
function userNamespaceMode(mode: string): string {
  const [kind] = mode.split(':');
  if (!['', 'host', 'auto', 'keep-id'].includes(kind ?? '')) throw new CliError('--userns: invalid USER mode');
  return mode === 'keep-id' ? `keep-id:uid=${process.getuid?.()},gid=${process.getgid?.()}` : mode;
}

function storageOptions(texts: readonly string[]): Record<string, unknown> {
  if (texts.some((text) => !text.includes('='))) throw new CliError('invalid storage option');
  return texts.length === 0 ? {} : { StorageOpt: pairs(texts) };
}

/** Reads seccomp profiles into the options, and takes out `systempaths=unconfined`, which is the client's matter. */
function securityOptions(texts: readonly string[]): { options: string[]; unmasked: boolean } {
  const options: string[] = [];
  for (const text of texts) {
    const isColon = !text.includes('=') && text !== 'no-new-privileges';
    const { before, after, found } = cut(text, isColon ? ':' : '=');
    if ((!found || after === '') && before !== 'no-new-privileges') {
      throw new CliError(`Invalid --security-opt: ${goQuote(text)}`);
    }
    const isProfile = before === 'seccomp' && !['unconfined', 'builtin'].includes(after);
    if (text !== 'systempaths=unconfined') options.push(isProfile ? `seccomp=${readProfile(after)}` : text);
  }
  return { options, unmasked: texts.includes('systempaths=unconfined') };
}

function readProfile(path: string): string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    throw new CliError(`opening seccomp profile (${path}) failed: open ${path}: no such file or directory`);
  }
  try {
    return JSON.stringify(JSON.parse(text));
  } catch (error) {
    throw new CliError(`compacting json for seccomp profile (${path}) failed: ${messageOf(error)}`);
  }
}
