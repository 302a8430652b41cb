import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { demultiplex, jsonTexts } from './stream.ts';

async function* pieces(bytes: Uint8Array, cuts: readonly number[]): AsyncGenerator<Uint8Array> {
  const ends = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  let from = 0;
  for (const end of [...ends, bytes.length]) {
    yield bytes.subarray(from, end);
    from = end;
  }
}

const collect = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
};

test('JSON values are told apart, however they are separated and arrive', async () => {
  const value = fc.dictionary(fc.string(), fc.jsonValue());
  const separator = fc.constantFrom('', '\n', '\r\n');
  await fc.assert(
    fc.asyncProperty(fc.array(value), separator, fc.array(fc.nat()), async (values, between, cuts) => {
      const text = values.map((item) => JSON.stringify(item) + between).join('');
      const found = await collect(jsonTexts(pieces(new TextEncoder().encode(text), cuts)));
      assert.deepEqual(
        found,
        values.map((item) => JSON.stringify(item)),
      );
    }),
    { numRuns: 100 },
  );
});

test('a value that is cut off is an error', async () => {
  await assert.rejects(collect(jsonTexts(pieces(new TextEncoder().encode('{"a":1}{"b":'), []))), /unexpected EOF/);
});

test('a multiplexed stream is taken apart, however it arrives', async () => {
  const frame = fc.tuple(fc.constantFrom(1, 2), fc.uint8Array({ maxLength: 20 }));
  await fc.assert(
    fc.asyncProperty(fc.array(frame), fc.array(fc.nat()), async (frames, cuts) => {
      const bytes = Uint8Array.from(
        frames.flatMap(([stream, data]) => [stream, 0, 0, 0, 0, 0, 0, data.length, ...data]),
      );
      const texts = { stdout: '', stderr: '' };
      for await (const { stream, bytes: part } of demultiplex(pieces(bytes, cuts))) {
        assert.ok(stream === 'stdout' || stream === 'stderr');
        texts[stream] += part.toHex();
      }
      const wanted = (number: number) =>
        frames
          .filter(([stream]) => stream === number)
          .map(([, data]) => data.toHex())
          .join('');
      assert.deepEqual(texts, { stdout: wanted(1), stderr: wanted(2) });
    }),
    { numRuns: 100 },
  );
});

test('a header of no known stream is an error', async () => {
  await assert.rejects(
    collect(demultiplex(pieces(Uint8Array.of(9, 0, 0, 0, 0, 0, 0, 1, 1), []))),
    /Unrecognized input header: 9/,
  );
});
