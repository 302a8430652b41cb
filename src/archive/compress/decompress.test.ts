import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { concatBytes } from '../../base/stream.ts';
import { reapOrphans } from '../../sys/process/reaper.ts';
import { decompress } from './decompress.ts';

const maxBytes = 64 << 20;
const options = { maxBytes, what: 'the layer' };

const packed = (program: string, bytes: Uint8Array, ...options: string[]): Buffer =>
  execFileSync(program, ['-c', ...options], { input: bytes, maxBuffer: maxBytes });

async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function unpacked(bytes: Uint8Array, limit = maxBytes): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of decompress(inPieces(bytes, 10_000), { ...options, maxBytes: limit })) chunks.push(chunk);
  return concatBytes(chunks);
}

for (const program of ['xz', 'bzip2'] as const) {
  test(`${program}: whole, cut short, damaged, too large`, async () => {
    const plain = Buffer.concat([randomBytes(300_000), Buffer.alloc(1 << 20)]);
    const bytes = packed(program, plain);
    assert.ok(plain.equals(await unpacked(bytes)));
    await assert.rejects(unpacked(bytes.subarray(0, bytes.length / 2)), { code: 'corrupt', message: /^the layer can/ });
    const damaged = Buffer.from(bytes);
    const middle = bytes.length >> 1;
    damaged[middle] = (damaged[middle] ?? 0) ^ 1;
    await assert.rejects(unpacked(damaged), { code: 'corrupt' });
    await assert.rejects(unpacked(packed(program, Buffer.alloc(8 << 20)), 1 << 20), { code: 'invalid' });
  });

  test(`${program}: a source that fails, one that stalls when the reader goes or it is cancelled`, async () => {
    const bytes = packed(program, randomBytes(400_000));
    const failing = async function* (): AsyncGenerator<Uint8Array> {
      yield bytes.subarray(0, 1000);
      throw new Error('the client went away');
    };
    await assert.rejects(Array.fromAsync(decompress(failing(), options)), /the client went away/);
    const stalling = async function* (): AsyncGenerator<Uint8Array> {
      yield bytes.subarray(0, bytes.length - 5);
      await new Promise(() => undefined);
    };
    const cancelled = AbortSignal.timeout(100);
    await assert.rejects(Array.fromAsync(decompress(stalling(), { ...options, signal: cancelled })), {
      code: 'cancelled',
    });
    for await (const chunk of decompress(inPieces(bytes, 1000), options)) {
      assert.ok(chunk.length > 0);
      break;
    }
  });
}

test('xz: a dictionary that takes more memory than is allowed is refused', async () => {
  const bytes = packed('xz', Buffer.from('x'), '--format=xz', '--lzma2=preset=0,dict=512MiB');
  await assert.rejects(unpacked(bytes), { code: 'corrupt', message: /[Mm]emory usage limit/ });
});

test('xz: a thread that is ended in the middle leaves no program and harms nobody', async (context) => {
  context.after(reapOrphans());
  const source = `
    import { decompress } from ${JSON.stringify(import.meta.resolve('./decompress.ts'))};
    import { parentPort } from 'node:worker_threads';
    async function* endless() {
      yield Buffer.from(${JSON.stringify([...packed('xz', randomBytes(100_000))])}.slice(0, 99_000));
      parentPort.postMessage('reading');
      await new Promise((resolve) => setTimeout(resolve, 100_000));
    }
    for await (const chunk of decompress(endless(), { maxBytes: 1e9, what: 'it' }));`;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`));
  await new Promise((resolve) => worker.once('message', resolve));
  await worker.terminate();
  const children = (): string =>
    execFileSync('ps', ['-o', 'comm=', '--ppid', String(process.pid)], { encoding: 'utf8' });
  for (let tries = 0; children().includes('xz') && tries < 500; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.ok(!children().includes('xz'));
});
