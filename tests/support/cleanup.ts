import { readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from './wait.ts';

/** What tells the processes of one instance from all others. */
export interface Instance {
  readonly dataRoot: string;
  readonly execRoot: string;
  readonly cgroupParent: string;
}

/** Kills every process of the instance, monitors first; resolves when none is left. */
export async function endProcesses(instance: Instance): Promise<void> {
  await thaw(instance.cgroupParent);
  await eventually('all processes of the instance have ended', async () => {
    const pids = await instanceProcesses(instance);
    for (const pid of pids) kill(pid);
    return pids.length === 0;
  });
}

/** A frozen process does not die. */
async function thaw(parent: string): Promise<void> {
  for (const folder of await cgroupFolders('/sys/fs/cgroup', parent)) {
    await writeFile(join(folder, 'freezer.state'), 'THAWED', { flag: 'r+' }).catch(() => undefined);
    await writeFile(join(folder, 'cgroup.freeze'), '0', { flag: 'r+' }).catch(() => undefined);
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

async function instanceProcesses(instance: Instance): Promise<readonly number[]> {
  const found: number[] = [];
  for (const name of await readdir('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    const [command, groups, status] = await Promise.all(
      ['cmdline', 'cgroup', 'status'].map((file) => readFile(`/proc/${name}/${file}`, 'utf8').catch(() => '')),
    );
    if (/^State:\s+Z/m.test(status ?? '')) continue;
    const words = command?.split('\0') ?? [];
    const isNamed = words.some((word) => word.includes(instance.dataRoot) || word.includes(instance.execRoot));
    if (isNamed || groups?.includes(instance.cgroupParent) === true) found.push(pid);
  }
  return found;
}

/** Removes all cgroups below any folder called `parent`, innermost first, in every hierarchy of the host. */
export async function removeCgroups(parent: string): Promise<void> {
  for (const path of [...(await cgroupFolders('/sys/fs/cgroup', parent))].sort((a, b) => b.length - a.length)) {
    // The kernel may need a moment after the last process has ended.
    await eventually(`cgroup ${path} is removed`, () =>
      rmdir(path).then(
        () => true,
        (error: NodeJS.ErrnoException) => error.code === 'ENOENT',
      ),
    );
  }
}

async function cgroupFolders(folder: string, parent: string, depth = 0): Promise<readonly string[]> {
  const found: string[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    if (!entry.isDirectory()) continue;
    const path = join(folder, entry.name);
    if (path.includes(parent)) found.push(path);
    if (depth < 8) found.push(...(await cgroupFolders(path, parent, depth + 1)));
  }
  return found;
}
