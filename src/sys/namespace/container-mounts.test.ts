import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { systemCode } from '../ffi/errors.ts';
import { processStartTime } from '../process/pidfd.ts';
import { mountIntoContainerAsync, unmountFromContainerAsync } from './live-mounts.ts';

const skip = process.getuid?.() === 0 ? false : 'namespaces need root';
const base = mkdtempSync(join(tmpdir(), 'live-mount-'));
after(() => rmSync(base, { recursive: true, force: true }));

/** A process with a root and mounts of its own. */
async function contained() {
  const root = mkdtempSync(join(base, 'root-'));
  const script = `mount --bind ${root} ${root} && mkdir -p ${root}/old ${root}/proc && mount -t proc proc ${root}/proc && cd ${root} && pivot_root . old && echo ready && read line`;
  const child = spawn('unshare', ['--mount', '--propagation=private', 'sh', '-c', script], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  const pid = child.pid ?? 0;
  const identity = { pid, start: processStartTime(pid) ?? 0 };
  const seen = (path: string) => `/proc/${pid}/root${path}`;
  return { root, identity, seen, [Symbol.dispose]: () => void child.kill('SIGKILL') };
}

const bindOf = (source: string, readOnly = false) =>
  ({
    kind: 'bind',
    source,
    recursive: true,
    propagation: 'private',
    attributes: readOnly ? { readOnly } : {},
    attributesBelow: true,
  }) as const;
const code = (expected: string) => (error: unknown) => {
  assert.equal(systemCode(error), expected, String(error));
  return true;
};

test('a bind appears inside only, follows links inside the root, and goes again', { skip }, async () => {
  using it = await contained();
  const source = join(base, 'source');
  mkdirSync(source);
  writeFileSync(join(source, 'file'), 'from the host');
  symlinkSync('/real', join(it.root, 'link'));
  const target = { path: '/link/made', kind: 'directory' } as const;
  await mountIntoContainerAsync({ process: it.identity, thing: bindOf(source, true), target });
  assert.equal(readFileSync(it.seen('/real/made/file'), 'utf8'), 'from the host');
  assert.throws(() => writeFileSync(it.seen('/real/made/new'), ''), code('EROFS'));
  assert.equal(existsSync(join(it.root, 'real/made/file')), false);
  await unmountFromContainerAsync(it.identity, '/link/made', source);
  assert.equal(existsSync(it.seen('/real/made/file')), false);
  await assert.rejects(unmountFromContainerAsync(it.identity, '/link/made', source), code('EXDEV'));
});

test('a tmpfs and a single file', { skip }, async () => {
  using it = await contained();
  const tmpfs = { kind: 'tmpfs', options: [['size', '64k']], attributes: { noExec: true } } as const;
  await mountIntoContainerAsync({ process: it.identity, thing: tmpfs, target: { path: '/t', kind: 'directory' } });
  writeFileSync(it.seen('/t/x'), 'y');
  const source = join(base, 'one-file');
  writeFileSync(source, 'content');
  await mountIntoContainerAsync({ process: it.identity, thing: bindOf(source), target: { path: '/f', kind: 'file' } });
  assert.equal(readFileSync(it.seen('/f'), 'utf8'), 'content');
});

test('proc, other processes and other mounts are out of reach', { skip }, async () => {
  using it = await contained();
  const source = join(base, 'other');
  mkdirSync(source);
  symlinkSync('/proc', join(it.root, 'alias'));
  const into = (path: string) =>
    mountIntoContainerAsync({ process: it.identity, thing: bindOf(source), target: { path, kind: 'directory' } });
  await assert.rejects(into('/proc/sys'), code('EXDEV'));
  await assert.rejects(into('/alias/sys'), code('EXDEV'));
  await assert.rejects(into('/'), code('EXDEV'));
  await assert.rejects(unmountFromContainerAsync(it.identity, '/alias', source), code('EXDEV'));
  assert.ok(existsSync(it.seen('/proc/self')));
  const wrong = { pid: it.identity.pid, start: it.identity.start + 1 };
  const target = { path: '/x', kind: 'directory' } as const;
  await assert.rejects(mountIntoContainerAsync({ process: wrong, thing: bindOf(source), target }), code('ESRCH'));
  assert.equal(existsSync(join(it.root, 'x')), false);
});
