import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheFolder } from './docker-client.ts';
import { exists } from './image-archive.ts';
import { must } from './run.ts';

/**
 * The path of a Python interpreter that has exactly the packages of a requirements file, in a virtual environment of
 * its own in the cache. Safe to call from several test processes at once: one of them wins.
 */
export async function pythonWith(requirements: string): Promise<string> {
  const text = await readFile(requirements);
  const folder = join(cacheFolder, `python-${createHash('sha256').update(text).digest('hex').slice(0, 12)}`);
  const python = join(folder, 'bin/python3');
  if (await exists(python)) return python;
  await mkdir(cacheFolder, { recursive: true });
  const making = `${folder}.${process.pid}`;
  try {
    await must('python3', ['-m', 'venv', making]);
    const packages = ['--no-deps', '--only-binary=:all:', '--disable-pip-version-check', '-q', '-r', requirements];
    await must(join(making, 'bin/python3'), ['-m', 'pip', 'install', ...packages], { timeout: 300_000 });
    await rename(making, folder).catch(async (error: unknown) => {
      if (!(await exists(python))) throw error;
    });
  } finally {
    await rm(making, { recursive: true, force: true });
  }
  return python;
}
