import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import test from 'node:test';
import { gunzipSync, inflateRawSync, zstdDecompressSync } from 'node:zlib';
import { readAll } from '../../base/stream.ts';
import { compress } from './compress.ts';
import { decompress } from './decompress.ts';

const mebibyte = 1 << 20;
const forms = ['gzip', 'zstd'] as const;

/** The bytes in pieces of some size; as the engine's own streams do, each is overwritten when the next one is asked for. */
async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  const room = new Uint8Array(size);
  for (let at = 0; at < bytes.length; at += size) {
    const part = bytes.subarray(at, at + size);
    room.set(part);
    yield room.subarray(0, part.length);
    room.fill(0xee);
  }
}

const packed = async (bytes: Uint8Array, form: (typeof forms)[number], size = 65_537) =>
  Buffer.from(await readAll(compress(pieces(bytes, size), form), 2 ** 30));

/** Text, noise, and noise with a little text: what is compressed, what is stored, and what is both. */
const mixed = Buffer.concat([
  Buffer.alloc(2 * mebibyte, 'the same words again and again, '),
  randomBytes(2 * mebibyte),
  ...Array.from({ length: 300 }, (_, at) => Buffer.concat([randomBytes(4000), Buffer.alloc(4000, `file ${at}\n`)])),
]);

for (const form of forms) {
  test(`${form}: what comes out is what went in, for every reader`, async () => {
    for (const length of [0, 1, 1000, mebibyte - 1, mebibyte, mebibyte + 1, mixed.length]) {
      const bytes = mixed.subarray(0, length);
      const result = await packed(bytes, form);
      assert.ok(bytes.equals(form === 'gzip' ? gunzipSync(result) : zstdDecompressSync(result)), `${length} bytes`);
      async function* source(): AsyncGenerator<Uint8Array> {
        yield result;
      }
      const back = await readAll(decompress(source(), { maxBytes: 2 ** 30, what: 'test' }), 2 ** 30);
      assert.ok(bytes.equals(back), `${length} bytes`);
    }
  });

  test(`${form}: the same bytes give the same result, in whatever pieces they come`, async () => {
    const first = await packed(mixed, form);
    assert.ok(first.length < mixed.length * 0.7);
    for (const size of [1000, mebibyte, 3 * mebibyte]) assert.ok(first.equals(await packed(mixed, form, size)));
  });

  test(`${form}: a source that breaks is told, and closed when nobody reads on`, async () => {
    let closed = 0;
    async function* breaking(breaks: boolean): AsyncGenerator<Uint8Array> {
      try {
        for (let at = 0; at < 8; at++) yield mixed.subarray(0, mebibyte);
        if (breaks) throw new Error('broken');
      } finally {
        closed++;
      }
    }
    await assert.rejects(readAll(compress(breaking(true), form), 2 ** 30), /broken/);
    for await (const bytes of compress(breaking(false), form)) if (bytes.length > 10) break;
    assert.equal(closed, 2);
  });
}

test('gzip is one member: readers that stop after the first get everything', async () => {
  const result = await packed(mixed, 'gzip');
  assert.ok(mixed.equals(inflateRawSync(result.subarray(10, -8))));
});

test('noise costs no room', async () => {
  const noise = randomBytes(5 * mebibyte);
  for (const form of forms) assert.ok((await packed(noise, form)).length < noise.length * 1.001);
});
