/** Stopping all processes of a cgroup without them noticing: `freezer.state` of v1, `cgroup.freeze` of v2. */
import { readFile, writeFile } from 'node:fs/promises';
import { delay } from '../../base/async.ts';
import { type CgroupLayout, controllerDirectory } from './layout.ts';

const FREEZE_MS = 5000;

interface Switch {
  readonly file: string;
  readonly frozen: string;
  readonly thawed: string;
  isFrozen(): Promise<boolean>;
}

/** @throws Error when the host has no freezer. */
function switchOf(layout: CgroupLayout, path: string): Switch {
  const directory = controllerDirectory(layout, 'freezer', path);
  if (directory === undefined) throw new Error('this host has no freezer');
  if (layout.kind === 'v2') {
    const isFrozen = async () =>
      (await readFile(`${directory}/cgroup.events`, 'utf8')).split('\n').includes('frozen 1');
    return { file: `${directory}/cgroup.freeze`, frozen: '1', thawed: '0', isFrozen };
  }
  const file = `${directory}/freezer.state`;
  const isFrozen = async () => (await readFile(file, 'utf8')).trim() === 'FROZEN';
  return { file, frozen: 'FROZEN', thawed: 'THAWED', isFrozen };
}

/**
 * Stops every process in the cgroup and below; resolves when all stand still.
 * @throws Error, with everything running again, when that takes more than 5 seconds (a process in the kernel).
 */
export async function freezeCgroup(layout: CgroupLayout, path: string): Promise<void> {
  const freezer = switchOf(layout, path);
  const end = performance.now() + FREEZE_MS;
  for (let wait = 1; ; wait = Math.min(wait * 2, 50)) {
    // v1 may have to be told again: processes that fork meanwhile slip through.
    await writeFile(freezer.file, freezer.frozen, { flag: 'r+' });
    if (await freezer.isFrozen()) return;
    if (performance.now() > end) break;
    await delay(wait);
  }
  await thawCgroup(layout, path);
  throw new Error(`the processes of ${path} could not be stopped within ${FREEZE_MS / 1000} seconds`);
}

/** Lets the processes go on; no error when they run already. */
export async function thawCgroup(layout: CgroupLayout, path: string): Promise<void> {
  const freezer = switchOf(layout, path);
  await writeFile(freezer.file, freezer.thawed, { flag: 'r+' });
}

/** True when everything in the cgroup stands still. @throws SystemError-like `ENOENT` when there is no such cgroup. */
export const isFrozen = (layout: CgroupLayout, path: string): Promise<boolean> => switchOf(layout, path).isFrozen();
