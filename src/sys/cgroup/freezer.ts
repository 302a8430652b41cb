/**
 * Halting the processes of a cgroup: `freezer.state` of v1 (Documentation/admin-guide/cgroup-v1/freezer-subsystem.rst),
 * `cgroup.freeze` of v2. A frozen process of v1 dies of SIGKILL only once it is thawed.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { delay } from '../../base/async.ts';
import { EngineError } from '../../base/errors.ts';
import { systemCode } from '../ffi/errors.ts';
import { type CgroupLayout, controllerDirectory } from './layout.ts';

/** How long the kernel may take: a process inside a system call that cannot be interrupted holds everything up. */
const freezeTimeoutMs = 10_000;

interface Freezer {
  readonly control: string;
  /** Where the kernel tells that all processes stand still. */
  readonly report: string;
  readonly freeze: string;
  readonly thaw: string;
  isFrozen(report: string): boolean;
}

function freezerOf(layout: CgroupLayout, path: string): Freezer | undefined {
  const directory = controllerDirectory(layout, 'freezer', path);
  if (directory === undefined) return undefined;
  if (layout.kind === 'v2') {
    return {
      control: `${directory}/cgroup.freeze`,
      report: `${directory}/cgroup.events`,
      freeze: '1',
      thaw: '0',
      isFrozen: (report) => report.split('\n').includes('frozen 1'),
    };
  }
  const state = `${directory}/freezer.state`;
  const isFrozen = (report: string): boolean => report.trim() === 'FROZEN';
  return { control: state, report: state, freeze: 'FROZEN', thaw: 'THAWED', isFrozen };
}

/**
 * Freezes all processes in the cgroup and below; resolves when they stand still.
 * @throws unavailable when the host has no freezer; internal when they do not stand still in time (they run on then).
 */
export async function freezeCgroup(
  layout: CgroupLayout,
  path: string,
  timeoutMs: number = freezeTimeoutMs,
): Promise<void> {
  const freezer = freezerOf(layout, path);
  if (freezer === undefined) throw new EngineError('unavailable', 'this host has no freezer for cgroups');
  const end = performance.now() + timeoutMs;
  for (let wait = 1; ; wait = Math.min(wait * 2, 20)) {
    // v1 looks at processes that were not ready to be frozen again only when it is told again.
    await writeFile(freezer.control, freezer.freeze, { flag: 'r+' });
    if (freezer.isFrozen(await readFile(freezer.report, 'latin1'))) return;
    if (performance.now() > end) break;
    await delay(wait);
  }
  await writeFile(freezer.control, freezer.thaw, { flag: 'r+' });
  throw new EngineError('internal', `the processes of cgroup ${path} could not be frozen in ${timeoutMs / 1000} s`);
}

/** Lets the processes run on. One that is not frozen, or gone, is no error. */
export async function thawCgroup(layout: CgroupLayout, path: string): Promise<void> {
  const freezer = freezerOf(layout, path);
  if (freezer === undefined) return;
  try {
    await writeFile(freezer.control, freezer.thaw, { flag: 'r+' });
  } catch (error) {
    if (systemCode(error) !== 'ENOENT' && systemCode(error) !== 'ENODEV') throw error;
  }
}

/** Do the processes of the cgroup stand still, or are they about to? False for a cgroup that is gone. */
export async function isCgroupFrozen(layout: CgroupLayout, path: string): Promise<boolean> {
  const freezer = freezerOf(layout, path);
  if (freezer === undefined) return false;
  try {
    return (await readFile(freezer.control, 'latin1')).trim() !== freezer.thaw;
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENODEV') return false;
    throw error;
  }
}
