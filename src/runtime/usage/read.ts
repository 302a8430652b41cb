import { readFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import type { Clock } from '../../base/clock.ts';
import type { UsageReader } from '../../spec/contract/usage.ts';
import {
  type BlkioEntry,
  type CpuStats,
  type MemoryStats,
  type NetworkStats,
  noBlkio,
  type UsageSample,
} from '../../spec/engine/stats.ts';
import { type CgroupLayout, controllerDirectory } from '../../sys/cgroup/layout.ts';
import { cgroupPath } from '../oci/spec.ts';

/** USER_HZ: the unit of /proc/stat and of cpuacct.stat on every Linux architecture that is served here. */
const ticksPerSecond = 100;
const nsPerTick = 1e9 / ticksPerSecond;

/**
 * Reads the counters of containers out of their cgroups: v1 (Documentation/admin-guide/cgroup-v1) or v2
 * (Documentation/admin-guide/cgroup-v2.rst), and their interfaces out of proc_pid_net(5).
 */
export function createUsageReader(layout: CgroupLayout, cgroupParent: string, clock: Clock): UsageReader {
  return {
    async read(id, parent, pid): Promise<UsageSample> {
      const path = cgroupPath(parent, id, { cgroupParent });
      const file = async (controller: string, name: string): Promise<string> => {
        const directory = controllerDirectory(layout, controller, path);
        return directory === undefined ? '' : readText(`${directory}/${name}`);
      };
      const [cpu, memory, pids, blkio, networks] = await Promise.all([
        layout.kind === 'v2' ? cpuV2(file) : cpuV1(file),
        layout.kind === 'v2' ? memoryV2(file) : memoryV1(file),
        pidsOf(file),
        layout.kind === 'v2' ? blkioV2(file) : blkioV1(file),
        networksOf(pid),
      ]);
      return {
        takenNs: clock.nowNs(),
        cpu_stats: cpu,
        memory_stats: memory ?? {},
        pids_stats: pids,
        blkio_stats: blkio,
        ...(networks === undefined ? {} : { networks }),
      };
    },
  };
}

type ReadFile = (controller: string, name: string) => Promise<string>;

const readText = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '');
const numberOf = (text: string): number => Number.parseInt(text, 10) || 0;

/** Lines of `key value`. */
function counters(text: string): Record<string, number> {
  const result: Record<string, number> = Object.create(null) as Record<string, number>;
  for (const line of text.split('\n')) {
    const at = line.indexOf(' ');
    if (at > 0) result[line.slice(0, at)] = numberOf(line.slice(at + 1));
  }
  return result;
}

async function hostCpu(): Promise<Pick<CpuStats, 'system_cpu_usage' | 'online_cpus'>> {
  const [first = ''] = (await readText('/proc/stat')).split('\n', 1);
  // user nice system idle iowait irq softirq steal; guest time is part of user already (proc_stat(5)).
  const ticks = first.trim().split(/ +/).slice(1, 9).map(numberOf);
  return { system_cpu_usage: ticks.reduce((sum, value) => sum + value, 0) * nsPerTick, online_cpus: cpus().length };
}

async function cpuV1(file: ReadFile): Promise<CpuStats> {
  const [usage, percpu, stat, throttling, host] = await Promise.all([
    file('cpuacct', 'cpuacct.usage'),
    file('cpuacct', 'cpuacct.usage_percpu'),
    file('cpuacct', 'cpuacct.stat'),
    file('cpu', 'cpu.stat'),
    hostCpu(),
  ]);
  const { user = 0, system = 0 } = counters(stat);
  const { nr_periods = 0, nr_throttled = 0, throttled_time = 0 } = counters(throttling);
  return {
    cpu_usage: {
      total_usage: numberOf(usage),
      percpu_usage: percpu.trim().split(' ').map(numberOf),
      usage_in_kernelmode: system * nsPerTick,
      usage_in_usermode: user * nsPerTick,
    },
    ...host,
    throttling_data: { periods: nr_periods, throttled_periods: nr_throttled, throttled_time },
  };
}

async function cpuV2(file: ReadFile): Promise<CpuStats> {
  const [stat, host] = await Promise.all([file('cpu', 'cpu.stat'), hostCpu()]);
  const micros = counters(stat);
  return {
    cpu_usage: {
      total_usage: (micros['usage_usec'] ?? 0) * 1000,
      usage_in_kernelmode: (micros['system_usec'] ?? 0) * 1000,
      usage_in_usermode: (micros['user_usec'] ?? 0) * 1000,
    },
    ...host,
    throttling_data: {
      periods: micros['nr_periods'] ?? 0,
      throttled_periods: micros['nr_throttled'] ?? 0,
      throttled_time: (micros['throttled_usec'] ?? 0) * 1000,
    },
  };
}

/** A limit above the host's memory is none. */
const memoryLimit = (text: string): number => Math.min(text.startsWith('max') ? Infinity : numberOf(text), totalmem());

/** Counters of v1 that Docker does not show. */
const newerCounters: ReadonlySet<string> = new Set([
  'shmem',
  'swap',
  'swapcached',
  'workingset_refault_anon',
  'workingset_refault_file',
]);

async function memoryV1(file: ReadFile): Promise<MemoryStats | undefined> {
  const names = ['memory.usage_in_bytes', 'memory.max_usage_in_bytes', 'memory.failcnt', 'memory.limit_in_bytes'];
  const [usage = '', most = '', failures = '', limit = ''] = await Promise.all(
    names.map((name) => file('memory', name)),
  );
  if (usage === '') return undefined;
  const all = Object.entries(counters(await file('memory', 'memory.stat')));
  const stats = Object.fromEntries(all.filter(([name]) => !newerCounters.has(name.replace(/^total_/, ''))));
  const failcnt = numberOf(failures);
  return {
    usage: numberOf(usage),
    max_usage: numberOf(most),
    stats,
    ...(failcnt === 0 ? {} : { failcnt }),
    limit: memoryLimit(limit),
  };
}

/** Counters of v2's memory.stat that Docker shows, 0 for what the kernel does not count. */
const shownCounters = (
  'anon file kernel_stack slab sock shmem file_mapped file_dirty file_writeback anon_thp inactive_anon active_anon ' +
  'inactive_file active_file unevictable slab_reclaimable slab_unreclaimable pgfault pgmajfault workingset_refault ' +
  'workingset_activate workingset_nodereclaim pgrefill pgscan pgsteal pgactivate pgdeactivate pglazyfree pglazyfreed ' +
  'thp_fault_alloc thp_collapse_alloc'
).split(' ');

async function memoryV2(file: ReadFile): Promise<MemoryStats | undefined> {
  const names = ['memory.current', 'memory.max', 'memory.stat', 'memory.events'];
  const [usage = '', limit = '', stat = '', events = ''] = await Promise.all(names.map((name) => file('memory', name)));
  if (usage === '') return undefined;
  const counted = counters(stat);
  const { oom = 0 } = counters(events);
  return {
    usage: numberOf(usage),
    stats: Object.fromEntries(shownCounters.map((name) => [name, counted[name] ?? 0])),
    ...(oom === 0 ? {} : { failcnt: oom }),
    limit: memoryLimit(limit),
  };
}

async function pidsOf(file: ReadFile): Promise<{ current?: number; limit?: number }> {
  const [current, limit] = await Promise.all([file('pids', 'pids.current'), file('pids', 'pids.max')]);
  return {
    ...(current === '' ? {} : { current: numberOf(current) }),
    ...(limit === '' || limit.startsWith('max') ? {} : { limit: numberOf(limit) }),
  };
}

type Blkio = UsageSample['blkio_stats'];

/** Lines of `MAJOR:MINOR Operation VALUE`. */
function blkioEntries(text: string): BlkioEntry[] {
  return text.split('\n').flatMap((line) => {
    const [device = '', op, value] = line.split(' ');
    const [major, minor] = device.split(':');
    if (minor === undefined || op === undefined || value === undefined) return [];
    return [{ major: numberOf(major ?? ''), minor: numberOf(minor), op, value: numberOf(value) }];
  });
}

/** The block layer's own scheduler CFQ, which counted more, is gone since Linux 5.0: what it counted is empty. */
const uncounted = {
  io_queue_recursive: [],
  io_service_time_recursive: [],
  io_wait_time_recursive: [],
  io_merged_recursive: [],
  io_time_recursive: [],
  sectors_recursive: [],
};

async function blkioV1(file: ReadFile): Promise<Blkio> {
  const [bytes, operations] = await Promise.all([
    file('blkio', 'blkio.throttle.io_service_bytes_recursive'),
    file('blkio', 'blkio.throttle.io_serviced_recursive'),
  ]);
  return {
    io_service_bytes_recursive: blkioEntries(bytes),
    io_serviced_recursive: blkioEntries(operations),
    ...uncounted,
  };
}

/** Lines of `MAJOR:MINOR rbytes=N wbytes=N rios=N wios=N ...`; like Docker only the bytes, and null without any. */
async function blkioV2(file: ReadFile): Promise<Blkio> {
  const bytes: BlkioEntry[] = [];
  for (const line of (await file('io', 'io.stat')).split('\n')) {
    const [device = '', ...fields] = line.trim().split(' ');
    const [major = '', minor] = device.split(':');
    if (minor === undefined || fields.length === 0) continue;
    const values = new Map(fields.map((field) => field.split('=') as [string, string]));
    const entry = (op: string, key: string): BlkioEntry => ({
      major: numberOf(major),
      minor: numberOf(minor),
      op,
      value: numberOf(values.get(key) ?? ''),
    });
    bytes.push(entry('read', 'rbytes'), entry('write', 'wbytes'));
  }
  return { ...noBlkio, io_service_bytes_recursive: bytes.length === 0 ? null : bytes };
}

/** The interfaces of the process's network namespace, without loopback. */
async function networksOf(pid: number): Promise<Record<string, NetworkStats> | undefined> {
  const networks: Record<string, NetworkStats> = {};
  for (const line of (await readText(`/proc/${pid}/net/dev`)).split('\n').slice(2)) {
    const at = line.indexOf(':');
    const name = line.slice(0, Math.max(0, at)).trim();
    if (name === '' || name === 'lo') continue;
    // bytes packets errs drop fifo frame compressed multicast, for each direction.
    const fields = line
      .slice(at + 1)
      .trim()
      .split(/ +/)
      .map(numberOf);
    const [rx_bytes = 0, rx_packets = 0, rx_errors = 0, rx_dropped = 0] = fields;
    const [tx_bytes = 0, tx_packets = 0, tx_errors = 0, tx_dropped = 0] = fields.slice(8);
    networks[name] = { rx_bytes, rx_packets, rx_errors, rx_dropped, tx_bytes, tx_packets, tx_errors, tx_dropped };
  }
  return Object.keys(networks).length === 0 ? undefined : networks;
}
