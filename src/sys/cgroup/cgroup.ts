/** Life of a cgroup that the engine made, in any layout. Paths are absolute below the trees: `/gantry/<id>`. */
import { readFileSync } from 'node:fs';
import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { delay } from '../../base/async.ts';
import { callBlocking } from '../blocking/blocking.ts';
import { closeFd } from '../ffi/descriptor.ts';
import { systemCode } from '../ffi/errors.ts';
import { openPidfd, signalPidfd } from '../process/pidfd.ts';
import { thawCgroup } from './freezer.ts';
import { type CgroupLayout, cgroupDirectories, checkedPath, controllerDirectory } from './layout.ts';

const SIGKILL = 9;

const isGone = (error: unknown): boolean => systemCode(error) === 'ENOENT' || systemCode(error) === 'ENODEV';

async function readOrEmpty(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isGone(error)) return '';
    throw error;
  }
}

/** Makes the cgroup in every tree; one that exists is no error. Limits are the runtime's affair. */
export async function createCgroup(layout: CgroupLayout, path: string): Promise<void> {
  for (const directory of cgroupDirectories(layout, path)) await mkdir(directory, { recursive: true, mode: 0o755 });
}

/** The sub-cgroups of a directory, deepest first, itself last; empty when it does not exist. */
async function withDescendants(directory: string): Promise<string[]> {
  try {
    const found: string[] = [];
    for (const entry of await readdir(directory, { withFileTypes: true })) {
      if (entry.isDirectory()) found.push(...(await withDescendants(`${directory}/${entry.name}`)));
    }
    return [...found, directory];
  } catch (error) {
    if (isGone(error)) return [];
    throw error;
  }
}

/** The tree that is asked for members: any v1 tree knows them all, as runtimes join every one. */
function memberDirectory(layout: CgroupLayout, path: string): string | undefined {
  for (const controller of ['pids', 'freezer', 'memory', 'devices', 'cpu', 'name=systemd']) {
    const directory = controllerDirectory(layout, controller, path);
    if (directory !== undefined) return directory;
  }
  return undefined;
}

/** The processes in the cgroup and below it; empty when it does not exist. */
export async function cgroupPids(layout: CgroupLayout, path: string): Promise<number[]> {
  const top = memberDirectory(layout, path);
  if (top === undefined) return [];
  const pids = new Set<number>();
  for (const directory of await withDescendants(top)) {
    for (const line of (await readOrEmpty(`${directory}/cgroup.procs`)).split('\n')) {
      // A process of another pid namespace shows as 0.
      if (line !== '' && line !== '0') pids.add(Number(line));
    }
  }
  return [...pids];
}

/** Is this process, right now, in the cgroup or below it? */
export async function isMember(pid: number, path: string): Promise<boolean> {
  for (const line of (await readOrEmpty(`/proc/${pid}/cgroup`)).split('\n')) {
    const own = line.slice(line.indexOf(':', line.indexOf(':') + 1) + 1);
    if (own === path || own.startsWith(`${path}/`)) return true;
  }
  return false;
}

/** Kills everything in a cgroup that the engine made, and waits until nothing is left or `timeoutMs` have passed. */
export async function killCgroup(layout: CgroupLayout, path: string, timeoutMs = 5000): Promise<boolean> {
  checkedPath(path);
  const end = performance.now() + timeoutMs;
  for (let round = 0; ; round++) {
    const pids = await cgroupPids(layout, path);
    if (pids.length === 0) return true;
    if (performance.now() > end) return false;
    if (layout.kind !== 'v2' || !(await killAtOnce(layout, path))) {
      for (const pid of pids) await killMember(pid, path);
      await thawCgroup(layout, path);
    }
    await delay(Math.min(50, 1 + round * 2));
  }
}

/** `cgroup.kill` (Linux 5.14) hits processes that fork meanwhile, too. */
async function killAtOnce(layout: CgroupLayout, path: string): Promise<boolean> {
  try {
    await writeFile(`${controllerDirectory(layout, '', path)}/cgroup.kill`, '1', { flag: 'r+' });
    return true;
  } catch {
    return false;
  }
}

async function killMember(pid: number, path: string): Promise<void> {
  const pidfd = openPidfd(pid);
  if (pidfd === undefined) return;
  try {
    // The pid may have been given to somebody else since the list was read; the pidfd holds whom it is now.
    if (await isMember(pid, path)) signalPidfd(pidfd, SIGKILL);
  } finally {
    closeFd(pidfd);
  }
}

/**
 * Removes the cgroup and everything below it from all trees. A directory stays busy for a moment after its last
 * process died: it is tried again for `timeoutMs`. True when nothing is left.
 */
export async function removeCgroup(layout: CgroupLayout, path: string, timeoutMs = 2000): Promise<boolean> {
  const end = performance.now() + timeoutMs;
  // Mostly there is nothing inside: then one call for all trees does, without a listing.
  const left = await callBlocking('removeDirectories', cgroupDirectories(layout, path));
  const removed = await Promise.all(left.map((top) => removeTree(top, end)));
  return removed.every(Boolean);
}

async function removeTree(top: string, end: number): Promise<boolean> {
  let clean = true;
  for (const directory of await withDescendants(top)) if (!(await removeDirectory(directory, end))) clean = false;
  return clean;
}

async function removeDirectory(directory: string, end: number): Promise<boolean> {
  for (let wait = 1; ; wait = Math.min(wait * 2, 50)) {
    try {
      await rmdir(directory);
      return true;
    } catch (error) {
      if (isGone(error)) return true;
      if (systemCode(error) !== 'EBUSY') throw error;
      if (performance.now() > end) return false;
      await delay(wait);
    }
  }
}

/** How often the kernel killed a process of the cgroup for want of memory; 0 when that is not known. */
export function oomKills(layout: CgroupLayout, path: string): number {
  const directory = controllerDirectory(layout, 'memory', path);
  if (directory === undefined) return 0;
  let text: string;
  try {
    text = readFileSync(`${directory}/${layout.kind === 'v2' ? 'memory.events' : 'memory.oom_control'}`, 'latin1');
  } catch (error) {
    if (isGone(error)) return 0;
    throw error;
  }
  for (const line of text.split('\n')) if (line.startsWith('oom_kill ')) return Number(line.slice(9));
  return 0;
}

/** The names of the cgroups directly below `path`, over all trees. */
export async function childCgroups(layout: CgroupLayout, path: string): Promise<string[]> {
  const names = new Set<string>();
  for (const directory of cgroupDirectories(layout, path)) {
    try {
      for (const entry of await readdir(directory, { withFileTypes: true }))
        if (entry.isDirectory()) names.add(entry.name);
    } catch (error) {
      if (!isGone(error)) throw error;
    }
  }
  return [...names];
}
