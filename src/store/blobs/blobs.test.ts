import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { type Digest, digestOfHex } from '../../base/ids.ts';
import { readAll } from '../../base/stream.ts';
import { openBlobStore } from './blobs.ts';

const digestOf = (bytes: Uint8Array): Digest => digestOfHex(createHash('sha256').update(bytes).digest('hex'));

async function directory(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'blobs-'));
  t.after(() => rm(path, { recursive: true }));
  return path;
}

test('a blob is there after commit, exactly once', async (t) => {
  const root = await directory(t);
  const store = await openBlobStore(root);
  const bytes = Buffer.from('hello');
  const writer = await store.write({ digest: digestOf(bytes), size: 5 });
  assert.ok(writer);
  await writer.write(bytes.subarray(0, 2));
  assert.equal(await store.stat(digestOf(bytes)), undefined);
  await writer.write(bytes.subarray(2));
  assert.deepEqual(await writer.commit(), { digest: digestOf(bytes), size: 5 });
  assert.equal(await store.write({ digest: digestOf(bytes) }), undefined);
  assert.deepEqual(await store.put(bytes), { digest: digestOf(bytes), size: 5 });
  assert.equal(Buffer.from(await readAll(store.read(digestOf(bytes), { start: 1 }), 100)).toString(), 'ello');
  assert.equal(Buffer.from(await store.readVerified(digestOf(bytes), 5)).toString(), 'hello');
  await assert.rejects(store.readVerified(digestOf(bytes), 4), { code: 'invalid' });
  assert.deepEqual(await store.list(), [{ digest: digestOf(bytes), size: 5 }]);
  assert.deepEqual(await readdir(join(root, 'ingest')), []);
  await store.delete(digestOf(bytes));
  await store.delete(digestOf(bytes));
  await assert.rejects(readAll(store.read(digestOf(bytes)), 100), { code: 'not-found' });
});

test('large blobs are given to the disk while they are written, several at a time, and what is given up meanwhile is gone', async (t) => {
  const root = await directory(t);
  const store = await openBlobStore(root);
  const bytes = new Uint8Array(20 << 20).map((_, at) => at >> 12);
  const write = async (name: number) => {
    const writer = await store.writeNew();
    await writer.write(Buffer.of(name));
    for (let at = 0; at < bytes.length; at += 1 << 20) await writer.write(bytes.subarray(at, at + (1 << 20)));
    return writer;
  };
  const writers = await Promise.all([1, 2, 3].map(write));
  await writers[2]?.discard();
  for (const [index, name] of [1, 2].entries()) {
    const digest = digestOf(Buffer.concat([Buffer.of(name), bytes]));
    assert.deepEqual(await writers[index]?.commit(), { digest, size: bytes.length + 1 });
    assert.equal((await store.readVerified(digest, 1 << 30)).length, bytes.length + 1);
  }
  assert.deepEqual(await readdir(join(root, 'ingest')), []);
});

test('bytes with another digest or size never become a blob', async (t) => {
  const root = await directory(t);
  const store = await openBlobStore(root);
  const wanted = digestOf(Buffer.from('wanted'));
  const other = await store.write({ digest: wanted });
  await other?.write(Buffer.from('others'));
  await assert.rejects(async () => other?.commit(), { code: 'corrupt' });
  const long = await store.write({ digest: wanted, size: 6 });
  await assert.rejects(async () => long?.write(Buffer.from('wanted!')), { code: 'corrupt' });
  await long?.discard();
  const short = await store.write({ digest: wanted, size: 6 });
  assert.equal(short?.offset, 0);
  await short?.write(Buffer.from('wante'));
  await assert.rejects(async () => short?.commit(), { code: 'corrupt' });
  await assert.rejects(store.put(Buffer.from('x'), wanted), { code: 'corrupt' });
  assert.deepEqual(await store.list(), []);
  assert.deepEqual(await readdir(join(root, 'ingest')), []);
});

test('a suspended download goes on after a restart; what has no digest is swept', async (t) => {
  const root = await directory(t);
  const bytes = Buffer.alloc(3_000_000, 'abc');
  const store = await openBlobStore(root);
  const writer = await store.write({ digest: digestOf(bytes) });
  await writer?.write(bytes.subarray(0, 2_000_000));
  await writer?.suspend();
  await writeFile(join(root, 'ingest', 'stale.new'), 'x');
  const next = await openBlobStore(root);
  assert.equal((await readdir(join(root, 'ingest'))).length, 1);
  const resumed = await next.write({ digest: digestOf(bytes) });
  assert.equal(resumed?.offset, 2_000_000);
  await resumed.write(bytes.subarray(2_000_000));
  assert.equal((await resumed.commit()).size, 3_000_000);
});

test('interrupted downloads expire by age and by size, the oldest first; those under way stay', async (t) => {
  const root = await directory(t);
  const limits = { maxAgeMs: 3600_000, maxBytes: 250 };
  const blobs = [1, 2, 3, 4].map((byte) => Buffer.alloc(200, byte));
  const store = await openBlobStore(root, limits);
  const begin = async (bytes: Buffer) => {
    const writer = await store.write({ digest: digestOf(bytes) });
    await writer?.write(bytes.subarray(0, 100));
    return writer;
  };
  const left = async () => (await readdir(join(root, 'ingest'))).sort();
  const nameOf = (bytes: Buffer) => `${digestOf(bytes).slice(7)}.partial`;
  const [first, second, third, fourth] = blobs as [Buffer, Buffer, Buffer, Buffer];
  for (const [at, bytes] of [first, second].entries()) {
    await (await begin(bytes))?.suspend();
    await utimes(join(root, 'ingest', nameOf(bytes)), new Date(), new Date(Date.now() - 60_000 * (2 - at)));
  }
  const open = await begin(fourth);
  await (await begin(third))?.suspend();
  // 300 bytes were kept: the oldest went.
  await eventually(async () => assert.deepEqual(await left(), [second, third, fourth].map(nameOf).sort()));
  await open?.suspend();
  await utimes(join(root, 'ingest', nameOf(third)), new Date(), new Date(Date.now() - 2 * 3600_000));
  await openBlobStore(root, limits);
  assert.ok(!(await left()).includes(nameOf(third)));
});

async function eventually(check: () => Promise<void>): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      return await check();
    } catch (error) {
      if (tries === 200) throw error;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

test('two writers of one blob: the second waits and finds it done', async (t) => {
  const store = await openBlobStore(await directory(t));
  const bytes = Buffer.from('shared');
  const first = await store.write({ digest: digestOf(bytes) });
  const second = store.write({ digest: digestOf(bytes) });
  await first?.write(bytes);
  await first?.commit();
  assert.equal(await second, undefined);
});

test('a blob that lost or changed bytes on disk is not handed out', async (t) => {
  const store = await openBlobStore(await directory(t));
  const { digest } = await store.put(Buffer.from('to be damaged'));
  await truncate(store.path(digest), 5);
  await assert.rejects(store.readVerified(digest, 100), { code: 'corrupt' });
  await assert.rejects(readAll(store.read(digest, { expectedSize: 13 }), 100), { code: 'corrupt' });
});
