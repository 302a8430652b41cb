import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { mkdirAllInRoot, openInRoot, pathOfFd, readFileInRoot, resolveInRoot } from './inroot.ts';
import { readFileInRootAsync, resolveInRootAsync } from './paths.ts';

const base = mkdtempSync(join(tmpdir(), 'inroot-'));
const root = join(base, 'root');
mkdirSync(join(root, 'etc'), { recursive: true });
mkdirSync(join(base, 'outside'));
writeFileSync(join(base, 'outside/secret'), 'outside');
writeFileSync(join(root, 'etc/passwd'), 'inside');
symlinkSync('/etc/passwd', join(root, 'absolute'));
symlinkSync('../../../../../../etc/passwd', join(root, 'climbing'));
symlinkSync('/run', join(root, 'varrun'));
symlinkSync('loop', join(root, 'loop'));
symlinkSync(join(base, 'outside'), join(root, 'host'));
after(() => rmSync(base, { recursive: true, force: true }));

test('links and .. never lead out of the root', () => {
  assert.equal(readFileInRoot(root, 'absolute', 100)?.toString(), 'inside');
  assert.equal(readFileInRoot(root, '../../climbing', 100)?.toString(), 'inside');
  assert.equal(readFileInRoot(root, 'host/secret', 100), undefined);
  assert.throws(() => openInRoot(root, 'absolute', 0, 0, { noSymlinks: true }), { code: 'ELOOP' });
  assert.throws(() => openInRoot(root, '../outside/secret', 0, 0, { beneath: true }), { code: 'EXDEV' });
});

test('a path is resolved to its link-free form, also when its end is missing', () => {
  assert.equal(resolveInRoot(root, '/absolute'), '/etc/passwd');
  assert.equal(resolveInRoot(root, 'varrun/app/../app/socket'), '/run/app/socket');
  assert.equal(resolveInRoot(root, '../../..'), '/');
  assert.equal(resolveInRoot(root, 'missing/../etc/./passwd'), '/etc/passwd');
  assert.throws(() => resolveInRoot(root, 'loop/x'), { code: 'ELOOP' });
  assert.throws(() => resolveInRoot(root, 'etc/passwd/x'), { code: 'ENOTDIR' });
});

test('directories are made inside the root only', () => {
  assert.equal(mkdirAllInRoot(root, 'host/made/deep', 0o700), join(base, 'outside/made/deep'));
  assert.deepEqual(readdirSync(join(base, 'outside')), ['secret']);
  const fd = openInRoot(root, 'host/made/deep', 0);
  assert.equal(pathOfFd(fd), join(root, base, 'outside/made/deep'));
  closeSync(fd);
  assert.throws(() => mkdirAllInRoot(root, 'etc/passwd/x'), { code: 'ENOTDIR' });
});

test('only regular files of a bounded size are read', () => {
  execFileSync('mkfifo', [join(root, 'fifo')]);
  assert.throws(() => readFileInRoot(root, 'fifo', 10), { code: 'EINVAL' });
  assert.throws(() => readFileInRoot(root, 'etc', 10), { code: 'EINVAL' });
  assert.throws(() => readFileInRoot(root, 'etc/passwd', 5), { code: 'EFBIG' });
  assert.equal(readFileInRoot(root, 'etc/passwd/x', 10), undefined);
});

test('the worker gives the same answers and errors', async () => {
  assert.equal((await readFileInRootAsync(root, 'absolute', 100))?.toString(), 'inside');
  await assert.rejects(resolveInRootAsync(root, 'loop'), { name: 'SystemError', code: 'ELOOP' });
  await assert.rejects(resolveInRootAsync(join(base, 'nowhere'), 'x'), { code: 'ENOENT' });
});
