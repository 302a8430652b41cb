/** Somebody turns directories into links to a place outside, as fast as he can, while archives are unpacked and packed. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { Worker } from 'node:worker_threads';
import { EngineError } from '../../base/errors.ts';
import { closeFd, openFd } from '../../sys/ffi/descriptor.ts';
import { SystemError } from '../../sys/ffi/errors.ts';
import { O_PATH } from '../../sys/paths/inroot.ts';
import { TarParser } from '../tar/parse.ts';
import { encodeTarHeader, tarPadding, tarTrailer } from '../tar/write.ts';
import { Destination } from './destination.ts';
import { pack } from './pack.ts';
import { TreeFromTar } from './unpack.ts';

const skip = process.getuid?.() === 0 ? false : 'owners need root';
const rounds = process.env['GANTRY_TEST_LONG'] === '1' ? 10_000 : 1_000;
const O_DIRECTORY = 0o200000;

const swapper = `
  const { mkdirSync, rmSync, symlinkSync, unlinkSync, writeFileSync } = require('node:fs');
  const { workerData: { dir, outside, stop } } = require('node:worker_threads');
  while (Atomics.load(stop, 0) === 0) {
    try { rmSync(dir, { recursive: true, force: true }); } catch {}
    try { symlinkSync(outside, dir); } catch {}
    try { unlinkSync(dir); } catch {}
    try { mkdirSync(dir); writeFileSync(dir + '/canary', 'inside'); } catch {}
  }`;

interface Scene {
  readonly root: string;
  readonly outside: string;
}

/** A root with a directory that is swapped until the test ends, and a canary outside of it. */
function scene(t: TestContext): Scene {
  const base = mkdtempSync(join(tmpdir(), 'race-'));
  const [root, outside] = [join(base, 'root'), join(base, 'outside')];
  mkdirSync(join(root, 'in/dir'), { recursive: true });
  mkdirSync(outside);
  writeFileSync(join(outside, 'canary'), 'alive');
  writeFileSync(join(root, 'in/dir/canary'), 'inside');
  const stop = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(swapper, { eval: true, workerData: { dir: join(root, 'in/dir'), outside, stop } });
  t.after(async () => {
    Atomics.store(stop, 0, 1);
    await worker.terminate();
    rmSync(base, { recursive: true });
  });
  return { root, outside };
}

const isAlive = ({ outside }: Scene): boolean =>
  readdirSync(outside).join() === 'canary' && readFileSync(join(outside, 'canary'), 'utf8') === 'alive';

const header = { linkName: '', mode: 0o644, uid: 0, gid: 0, mtime: 1, mtimeNsec: 0, major: 0, minor: 0 } as const;
const archive = Buffer.concat([
  ...['dir/canary', 'other', 'dir/canary', 'dir/new/file'].flatMap((name) => [
    encodeTarHeader({ ...header, type: 'file', name, size: 4 }),
    Buffer.from('dead'),
    tarPadding(4),
  ]),
  tarTrailer(),
]);

/** Failures are the swapper's due; writing outside is not. */
function unpackOnce(root: string, destinationOf: (at: { root: number; path: string }) => Destination): void {
  const fd = openFd(root, O_PATH);
  const task = { kind: 'unpack', root: fd, path: '/in', keepKinds: false } as const;
  const tree = new TreeFromTar(task, destinationOf(task));
  try {
    new TarParser(tree).push(archive);
  } catch (error) {
    if (!(error instanceof EngineError || error instanceof SystemError)) throw error;
  } finally {
    tree.close();
    closeFd(fd);
  }
}

/** What must not be: paths put together as text and opened by the host's rules. */
class TrustingDestination extends Destination {
  readonly #path: string;

  constructor(at: { root: number; path: string }, path: string) {
    super(at);
    this.#path = path;
  }

  override find(components: readonly string[]): number {
    return openFd([this.#path, ...components].join('/'), O_PATH | O_DIRECTORY);
  }
}

test('nothing is unpacked outside of the root', { skip }, async (t) => {
  const at = scene(t);
  for (let round = 0; round < rounds; round++) {
    unpackOnce(at.root, (task) => new Destination(task));
    if (round % 50 === 0) await new Promise(setImmediate);
  }
  assert.ok(isAlive(at));
});

test('a resolver that trusts the text of a path is seen to be led out', { skip }, async (t) => {
  const at = scene(t);
  for (let round = 0; round < 20_000 && isAlive(at); round++) {
    unpackOnce(at.root, (task) => new TrustingDestination(task, join(at.root, 'in')));
    if (round % 50 === 0) await new Promise(setImmediate);
  }
  assert.ok(!isAlive(at), 'this test would not see an escape');
});

test('nothing outside of the root is packed', { skip }, async (t) => {
  const at = scene(t);
  writeFileSync(join(at.outside, 'canary'), 'secret of the host');
  const directory = openFd(at.root, O_DIRECTORY);
  t.after(() => closeFd(directory));
  const room = Buffer.alloc(4096);
  let seen = 0;
  for (let round = 0; round < rounds; round++) {
    const parts: Buffer[] = [];
    pack(
      { kind: 'pack', directory, name: '.', as: 'plain' },
      {
        write: (bytes) => void parts.push(Buffer.from(bytes)),
        reserve: () => room,
        advance: (length) => void parts.push(Buffer.from(room.subarray(0, length))),
      },
    );
    const text = Buffer.concat(parts).toString('latin1');
    assert.ok(!text.includes('secret of the host'));
    if (text.includes('inside')) seen++;
    if (round % 50 === 0) await new Promise(setImmediate);
  }
  assert.ok(seen > 0, 'the directory was never packed');
});
