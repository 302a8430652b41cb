import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  existsSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { getXattr, listXattrs, setXattr } from '../../sys/file/xattr.ts';
import { copyTree } from './copy.ts';
import { TreeCopier } from './tree.ts';

const isRoot = process.getuid?.() === 0;

function folders(t: TestContext): { from: string; to: string; copier: TreeCopier } {
  const base = mkdtempSync(join(tmpdir(), 'copy-tree-'));
  const [from, to] = [join(base, 'from'), join(base, 'to')];
  mkdirSync(from);
  mkdirSync(to);
  const fds = [openSync(from, 'r'), openSync(to, 'r')] as const;
  t.after(() => {
    for (const fd of fds) closeSync(fd);
    rmSync(base, { recursive: true });
  });
  return { from, to, copier: new TreeCopier(fds[0], fds[1], () => undefined) };
}

/** Everything that a copy must keep of a tree, as text; hard links by the first name of each. */
function described(root: string): string[] {
  const firsts = new Map<bigint, string>();
  const walk = (path: string): string[] => {
    const stat = lstatSync(join(root, path), { bigint: true });
    const first = stat.isDirectory() ? undefined : firsts.get(stat.ino);
    if (first === undefined) firsts.set(stat.ino, path);
    const whole = join(root, path);
    const content = stat.isFile()
      ? readFileSync(whole, 'latin1')
      : stat.isSymbolicLink()
        ? readlinkSync(whole)
        : String(stat.rdev);
    const xattrs = listXattrs(Buffer.from(whole)).sort();
    const shown = xattrs.map((name) => `${name}=${getXattr(Buffer.from(whole), name)?.toString('hex')}`);
    const meta = [stat.mode, stat.uid, stat.gid, stat.mtimeNs, first ?? '', content, ...shown].join(' ');
    const below = stat.isDirectory()
      ? readdirSync(whole)
          .sort()
          .flatMap((name) => walk(join(path, name)))
      : [];
    return [`${path}: ${meta}`, ...below];
  };
  return walk('');
}

test('a copy has everything: attributes, links, holes, special files, times to the nanosecond', (t) => {
  const { from, to, copier } = folders(t);
  mkdirSync(join(from, 'sub'), { mode: 0o711 });
  writeFileSync(join(from, 'sub/file'), 'content', { mode: 0o640 });
  linkSync(join(from, 'sub/file'), join(from, 'hard'));
  symlinkSync('/etc/passwd', join(from, 'link'));
  symlinkSync('sub', join(from, 'link-to-directory'));
  const holes = openSync(join(from, 'holes'), 'w');
  writeSync(holes, 'middle', 4 << 20);
  ftruncateSync(holes, 64 << 20);
  closeSync(holes);
  setXattr(Buffer.from(join(from, 'sub/file')), 'user.note', Buffer.from('kept'));
  setXattr(Buffer.from(join(from, 'sub')), 'user.directory', Buffer.from('kept'));
  if (isRoot) {
    execFileSync('mkfifo', [join(from, 'fifo')]);
    execFileSync('mknod', ['-m', '640', join(from, 'null'), 'c', '1', '3']);
    execFileSync('chown', ['1000:2000', join(from, 'sub/file'), join(from, 'sub')]);
    execFileSync('chown', ['-h', '1:2', join(from, 'link')]);
    chmodSync(join(from, 'hard'), 0o4755);
    // cap_net_raw=ep, as setcap(8) writes it.
    const capability = Buffer.from('AQAAAgAgAAAAAAAAAAAAAAAAAAA=', 'base64');
    writeFileSync(join(from, 'able'), 'x');
    execFileSync('chown', ['5:6', join(from, 'able')]);
    for (const path of ['able', 'hard']) setXattr(Buffer.from(join(from, path)), 'security.capability', capability);
  }
  // With and without what a process does not let its new files have.
  for (const mode of [0o600, 0o644, 0o666, 0o777, 0o4700, 0o2755, 0o1644, 0]) {
    writeFileSync(join(from, `mode-${mode.toString(8)}`), 'x');
    chmodSync(join(from, `mode-${mode.toString(8)}`), mode);
  }
  execFileSync('touch', ['-h', '-d', '2001-02-03 04:05:06.123456789', join(from, 'link'), join(from, 'sub/file')]);
  utimesSync(join(from, 'sub'), 1, 2.5);
  copier.copy();
  assert.deepEqual(described(to), described(from));
  assert.ok(lstatSync(join(to, 'holes')).blocks <= lstatSync(join(from, 'holes')).blocks);
});

test('after the second pass the copy is what the tree has become, whatever was done between the two', (t) => {
  const { from, to, copier } = folders(t);
  let seed = 7;
  const random = (below: number): number => {
    seed = (seed * 48271) % 0x7fffffff;
    return seed % below;
  };
  const names = ['a', 'b', 'c', 'd'];
  const name = (): string => names[random(names.length)] as string;
  const path = (): string => join(from, ...Array.from({ length: 1 + random(3) }, name));
  const attempt = (work: () => void): void => {
    try {
      work();
    } catch {
      // A parent that is missing or no directory, a name that is taken.
    }
  };
  const acts: readonly (() => void)[] = [
    () => mkdirSync(path()),
    () => mkdirSync(path()),
    () => writeFileSync(path(), String(random(1000))),
    () => writeFileSync(path(), String(random(1000))),
    () => linkSync(path(), path()),
    () => symlinkSync(name(), path()),
    () => renameSync(path(), path()),
    () => rmSync(path(), { recursive: true, force: true }),
    () => chmodSync(path(), 0o600 + random(64)),
    () => setXattr(Buffer.from(path()), 'user.x', Buffer.from(String(random(9)))),
    () => {
      // Exchanges two directories, with names in them that are the same.
      const [one, other] = [path(), path()];
      renameSync(one, join(from, 'moving'));
      renameSync(other, one);
      renameSync(join(from, 'moving'), other);
    },
  ];
  const act = (): void => attempt(acts[random(acts.length)] as () => void);
  for (let at = 0; at < 200; at++) act();
  copier.copy();
  assert.deepEqual(described(to), described(from));
  for (let round = 0; round < 60; round++) {
    for (let at = 0; at < 20; at++) act();
    rmSync(join(from, 'moving'), { recursive: true, force: true });
    copier.settle();
    assert.deepEqual(described(to), described(from), `round ${round}`);
  }
});

test('what did not change is not copied again', (t) => {
  const { from, to, copier } = folders(t);
  writeFileSync(join(from, 'old'), 'x');
  execFileSync('touch', ['-d', '2001-01-01', join(from, 'old')]);
  const past = Date.now() - 10_000;
  t.mock.method(Date, 'now', () => past + 60_000);
  copier.copy();
  const before = lstatSync(join(to, 'old')).ino;
  writeFileSync(join(from, 'new'), 'y');
  copier.settle();
  assert.equal(lstatSync(join(to, 'old')).ino, before);
  assert.equal(readFileSync(join(to, 'new'), 'utf8'), 'y');
});

test('halts the writers for the second pass only, and ends it when that fails', async (t) => {
  const { from, to } = folders(t);
  writeFileSync(join(from, 'file'), 'one');
  const seen: string[] = [];
  const writers = {
    active: () => true,
    async halt(task: () => Promise<void>) {
      seen.push(`halted with ${readdirSync(to).join()}`);
      writeFileSync(join(from, 'late'), 'two');
      await task();
      seen.push('running');
    },
  };
  await copyTree(from, to, { writers });
  assert.deepEqual(seen, ['halted with file', 'running']);
  assert.equal(readFileSync(join(to, 'late'), 'utf8'), 'two');
  const aborted = AbortSignal.abort();
  await assert.rejects(copyTree(from, join(to, 'x'), { signal: aborted }), { code: 'cancelled' });
  assert.equal(existsSync(join(to, 'x')), false);
});
