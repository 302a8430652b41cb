import assert from 'node:assert/strict';
import { closeSync, mkdirSync, mkdtempSync, readFileSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { mountTmpfs, unmount, unmountAndRemove } from '../mount/mount.ts';
import { createPipe } from './pipe.ts';
import { spawnInView } from './spawn.ts';

const skip = process.getuid?.() === 0 ? false : 'mount namespaces need root';

test('a child does not see hidden mounts, the host does, and what is unmounted with its directory is gone there', {
  skip,
}, async () => {
  const base = mkdtempSync(join(tmpdir(), 'hiding-'));
  const [hidden, seen] = [join(base, 'hidden'), join(base, 'seen')];
  mkdirSync(hidden);
  mkdirSync(seen);
  await mountTmpfs(hidden);
  await mountTmpfs(seen);
  writeFileSync(join(hidden, 'file'), '');
  writeFileSync(join(seen, 'file'), '');
  const out = createPipe();
  const input = createPipe();
  try {
    const script = `ls ${hidden} ${seen}; read x; ls ${base}; grep -c ${seen} /proc/self/mountinfo; echo end`;
    const fds: [number, number][] = [
      [input.read, 0],
      [out.write, 1],
    ];
    const child = await spawnInView(
      { path: '/bin/sh', argv: ['sh', '-c', script], env: ['PATH=/bin'], fds },
      { hidden: [hidden] },
    );
    closeSync(out.write);
    const buffer = Buffer.alloc(4096);
    const first = buffer.toString('utf8', 0, readSync(out.read, buffer));
    await unmountAndRemove(seen);
    assert.equal(readFileSync(join(hidden, 'file'), 'utf8'), '');
    writeFileSync(input.write, '\n');
    await child.exited;
    const rest = buffer.toString('utf8', 0, readSync(out.read, buffer));
    assert.equal(first + rest, `${hidden}:\n\n${seen}:\nfile\nhidden\n0\nend\n`);
  } finally {
    closeSync(out.read);
    closeSync(input.read);
    closeSync(input.write);
    await unmount(seen);
    await unmount(hidden);
    rmSync(base, { recursive: true });
  }
});
