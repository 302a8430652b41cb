import assert from 'node:assert/strict';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { seenBy, type TestEngine } from '../support/engine.ts';

/** Puts files below /etc/docker/certs.d, which only this engine sees, while `work` goes on. */
export async function withHosts(
  engine: TestEngine,
  files: Readonly<Record<string, string>>,
  work: () => Promise<void>,
): Promise<void> {
  const etc = join(engine.folder, 'etc');
  const inside = async (...command: string[]): Promise<void> => {
    const { code, stderr } = await engine.inside(command);
    assert.equal(code, 0, stderr);
  };
  for (const part of ['upper/docker/certs.d', 'work']) await mkdir(join(etc, part), { recursive: true });
  const layers = `lowerdir=/etc,upperdir=${join(etc, 'upper')},workdir=${join(etc, 'work')}`;
  await inside('mount', '-t', 'overlay', '-o', layers, 'none', '/etc');
  try {
    for (const [path, text] of Object.entries(files)) {
      await mkdir(seenBy(engine, join('/etc/docker/certs.d', path, '..')), { recursive: true });
      await writeFile(seenBy(engine, join('/etc/docker/certs.d', path)), text);
    }
    await work();
  } finally {
    await inside('umount', '/etc');
    await rm(etc, { recursive: true, force: true });
  }
}
