import type { OciResources } from '../../spec/oci/runtime.ts';
import type { CgroupWrite } from '../../sys/cgroup/limits.ts';

/** A limit as it stands in a control file, and what takes it back. */
interface CgroupLimit extends CgroupWrite {
  readonly none: string;
}

type BlockLimits = NonNullable<OciResources['blockIO']>;

/** Which of two limits of disk shares the kernel has: the io scheduler's or the controller's own. */
export interface WeightFiles {
  readonly general: string;
  readonly perDevice: string;
}

/** Limits of one kind for each of some devices: the same file takes one line a device. */
const deviceKey = (file: string, line: string): string => `${file} ${line.slice(0, line.indexOf(' '))}`;

/**
 * The control files that hold the changeable limits of `resources`, by a key that stays the same when only a value
 * changes. v1: Documentation/admin-guide/cgroup-v1; v2: Documentation/admin-guide/cgroup-v2.rst.
 */
function limitsOf(version: 1 | 2, resources: OciResources, weights: WeightFiles): Map<string, CgroupLimit> {
  const limits = new Map<string, CgroupLimit>();
  const add = (controller: string, file: string, value: string | number | undefined, none: string): void => {
    if (value !== undefined) limits.set(file, { controller, file, value: String(value), none });
  };
  if (version === 1) addV1(resources, add);
  else addV2(resources, add);
  add('cpuset', 'cpuset.cpus', resources.cpu?.cpus, '');
  add('cpuset', 'cpuset.mems', resources.cpu?.mems, '');
  const pids = resources.pids?.limit;
  add('pids', 'pids.max', pids === undefined ? undefined : orMax(pids), 'max');
  addBlock(version, resources.blockIO ?? {}, weights, limits);
  return limits;
}

type Add = (controller: string, file: string, value: string | number | undefined, none: string) => void;

const orMax = (value: number): string => (value < 0 ? 'max' : String(value));

function addV1({ memory = {}, cpu = {} }: OciResources, add: Add): void {
  add('memory', 'memory.limit_in_bytes', memory.limit, '-1');
  add('memory', 'memory.memsw.limit_in_bytes', memory.swap, '-1');
  add('memory', 'memory.soft_limit_in_bytes', memory.reservation, '-1');
  add('cpu', 'cpu.shares', cpu.shares, '1024');
  add('cpu', 'cpu.cfs_period_us', cpu.period, '100000');
  add('cpu', 'cpu.cfs_quota_us', cpu.quota, '-1');
  add('cpu', 'cpu.rt_period_us', cpu.realtimePeriod, '1000000');
  add('cpu', 'cpu.rt_runtime_us', cpu.realtimeRuntime, '0');
}

function addV2({ memory = {}, cpu = {} }: OciResources, add: Add): void {
  const { limit, swap } = memory;
  add('memory', 'memory.max', limit === undefined ? undefined : orMax(limit), 'max');
  // There swap is counted apart from memory.
  if (swap !== undefined && limit !== undefined) {
    add('memory', 'memory.swap.max', swap < 0 ? 'max' : Math.max(0, swap - limit), 'max');
  }
  add('memory', 'memory.low', memory.reservation, '0');
  add('cpu', 'cpu.weight', cpu.shares === undefined ? undefined : cpuWeight(cpu.shares), '100');
  if (cpu.quota !== undefined || cpu.period !== undefined) {
    add('cpu', 'cpu.max', `${orMax(cpu.quota ?? -1)} ${cpu.period ?? 100_000}`, 'max 100000');
  }
}

/** As runtimes convert them: 2 to 262144 shares become a weight of 1 to 10000. */
const cpuWeight = (shares: number): number => 1 + Math.floor(((shares - 2) * 9999) / 262_142);

/** 10 to 1000 become 1 to 10000. */
const ioWeight = (weight: number): number => 1 + Math.floor(((weight - 10) * 9999) / 990);

const throttleNames = {
  throttleReadBpsDevice: ['blkio.throttle.read_bps_device', 'rbps'],
  throttleWriteBpsDevice: ['blkio.throttle.write_bps_device', 'wbps'],
  throttleReadIOPSDevice: ['blkio.throttle.read_iops_device', 'riops'],
  throttleWriteIOPSDevice: ['blkio.throttle.write_iops_device', 'wiops'],
} as const;

function addBlock(version: 1 | 2, block: BlockLimits, weights: WeightFiles, limits: Map<string, CgroupLimit>): void {
  const controller = version === 1 ? 'blkio' : 'io';
  const line = (key: string, file: string, value: string, none: string): void => {
    limits.set(key, { controller, file, value, none });
  };
  const converts = version === 2 && weights.general === 'io.weight';
  const weightOf = (weight: number): number => (converts ? ioWeight(weight) : weight);
  if (block.weight !== undefined) {
    line(weights.general, weights.general, String(weightOf(block.weight)), converts ? '100' : '500');
  }
  for (const { major, minor, weight = 0 } of block.weightDevice ?? []) {
    const value = `${major}:${minor} ${weightOf(weight)}`;
    const none = version === 1 ? `${major}:${minor} 0` : `${major}:${minor} default`;
    line(deviceKey(weights.perDevice, value), weights.perDevice, value, none);
  }
  for (const field of [
    'throttleReadBpsDevice',
    'throttleWriteBpsDevice',
    'throttleReadIOPSDevice',
    'throttleWriteIOPSDevice',
  ] as const) {
    const [v1File, v2Key] = throttleNames[field];
    for (const { major, minor, rate } of block[field] ?? []) {
      const device = `${major}:${minor}`;
      if (version === 1) line(`${v1File} ${device}`, v1File, `${device} ${rate}`, `${device} 0`);
      // Docker's rate of nothing means no limit.
      else
        line(
          `io.max ${device} ${v2Key}`,
          'io.max',
          `${device} ${v2Key}=${rate === 0 ? 'max' : rate}`,
          `${device} ${v2Key}=max`,
        );
    }
  }
}

/** What to write so that the limits `before` become those of `after`, and what takes it back. */
export function limitChanges(
  version: 1 | 2,
  before: OciResources,
  after: OciResources,
  weights: WeightFiles,
): { readonly writes: CgroupWrite[]; readonly undo: CgroupWrite[] } {
  const old = limitsOf(version, before, weights);
  const wanted = limitsOf(version, after, weights);
  const writes: CgroupWrite[] = [];
  const undo: CgroupWrite[] = [];
  const change = ({ controller, file }: CgroupWrite, from: string, to: string): void => {
    if (from === to || to === '') return;
    writes.push({ controller, file, value: to });
    if (from !== '') undo.push({ controller, file, value: from });
  };
  for (const [key, limit] of old) if (!wanted.has(key)) change(limit, limit.value, limit.none);
  for (const [key, limit] of wanted) change(limit, old.get(key)?.value ?? limit.none, limit.value);
  return { writes, undo };
}
