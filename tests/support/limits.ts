/** Limits of a container as the kernel has them, under the names of cgroup v1 whichever version the host has. */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';

type Read = (file: string) => Promise<string>;

/** What v1 shows as the highest limit of memory, for v2's `max`. */
const unlimited = 2n ** 63n - 4096n;
const bytes = (text: string): bigint => (text === 'max' ? unlimited : BigInt(text));
const field = (text: string, at: number): string => text.split(' ')[at] ?? '';

/** `MAJOR:MINOR VALUE` of every device in io.max that has the limit `key`. */
function throttled(text: string, key: string): string {
  const lines = text.split('\n').flatMap((line) => {
    const [device = '', ...limits] = line.split(' ');
    const value = limits.find((limit) => limit.startsWith(`${key}=`))?.slice(key.length + 1) ?? 'max';
    return value === 'max' ? [] : [`${device} ${value}`];
  });
  return lines.join('\n');
}

/** Where v2 has what a file of v1 says; files that are not named here are the same in both. */
const inV2: Readonly<Record<string, (read: Read) => Promise<string>>> = {
  'memory.limit_in_bytes': async (read) => String(bytes(await read('memory.max'))),
  'memory.memsw.limit_in_bytes': async (read) => {
    const [memory, swap] = [bytes(await read('memory.max')), bytes(await read('memory.swap.max'))];
    return String(swap === unlimited ? unlimited : memory + swap);
  },
  'memory.soft_limit_in_bytes': (read) => read('memory.low'),
  'memory.usage_in_bytes': (read) => read('memory.current'),
  // What runtimes make a weight of cannot be told back to the digit: see `sharesText`.
  'cpu.shares': (read) => read('cpu.weight'),
  'cpu.cfs_quota_us': async (read) => field(await read('cpu.max'), 0).replace('max', '-1'),
  'cpu.cfs_period_us': async (read) => field(await read('cpu.max'), 1),
  'blkio.throttle.read_bps_device': async (read) => throttled(await read('io.max'), 'rbps'),
  'blkio.throttle.write_iops_device': async (read) => throttled(await read('io.max'), 'wiops'),
};

const isOneTree = (text: string): boolean => text.startsWith('0::') && text.trim().split('\n').length === 1;

/** Has this host cgroup v2 and nothing else? */
export const isUnified = isOneTree(readFileSync('/proc/self/cgroup', 'utf8'));

/** What `readLimit` gives for `cpu.shares`: v2 has weights of 1 to 10000 for shares of 2 to 262144. */
export const sharesText = (shares: number): string =>
  String(isUnified ? 1 + Math.floor(((shares - 2) * 9999) / 262_142) : shares);

/**
 * A control file of the cgroup that the process is in, without its last newline.
 * @throws Error when the host has no such controller.
 */
export async function readLimit(pid: number | string, file: string): Promise<string> {
  const text = await readFile(`/proc/${pid}/cgroup`, 'utf8');
  if (isOneTree(text)) {
    const folder = `/sys/fs/cgroup${text.trim().slice('0::'.length)}`;
    const read: Read = async (name) => (await readFile(`${folder}/${name}`, 'utf8')).trim();
    return (inV2[file] ?? (() => read(file)))(read);
  }
  const controller = field(file.replace('.', ' '), 0);
  for (const line of text.split('\n')) {
    const [, controllers = '', path = ''] = line.split(':');
    if (!controllers.split(',').includes(controller)) continue;
    return (await readFile(`/sys/fs/cgroup/${controller}${path}/${file}`, 'utf8')).trim();
  }
  throw new Error(`no controller ${controller} in ${text}`);
}
