import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { messagesIn } from '../grpc/framing.ts';
import { decode } from '../wire/decode.ts';
import { encode } from '../wire/encode.ts';
import { packet, packetTypes } from '../wire/session.ts';
import { PacketWriter, pieceBytes } from './packet-writer.ts';

async function messages(bytes: Uint8Array): Promise<Uint8Array[]> {
  const all: Uint8Array[] = [];
  // Several messages in one chunk are views of it.
  for await (const message of messagesIn(ReadableStream.from([Buffer.from(bytes)]))) all.push(message);
  return all;
}

const name = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes).toString('latin1'));
const stat = fc.record({
  path: name,
  mode: fc.nat(2 ** 32 - 1),
  uid: fc.nat(2 ** 32 - 1),
  gid: fc.nat(2 ** 32 - 1),
  size: fc.nat(Number.MAX_SAFE_INTEGER),
  modTime: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  linkname: name,
  devmajor: fc.nat(2 ** 32 - 1),
  devminor: fc.nat(2 ** 32 - 1),
});

test('files are told of as the encoder does it', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(stat, { maxLength: 5 }), async (stats) => {
      const writer = new PacketWriter();
      for (const one of stats) writer.stat(one);
      writer.endOfList();
      const expected = [...stats.map((one) => encode(packet, { type: packetTypes.stat, stat: one })), Buffer.alloc(0)];
      assert.deepEqual(
        await messages(writer.take()),
        expected.map((one) => Buffer.from(one)),
      );
      assert.equal(writer.take().length, 0);
    }),
  );
});

test('content comes in pieces, and an empty one ends it', async () => {
  for (const [id, length] of [
    [0, 1],
    [1, 127],
    [127, 128],
    [300, 20_000],
    [35_000, pieceBytes],
  ] as const) {
    const content = Buffer.alloc(length, 'content ');
    const writer = new PacketWriter();
    writer.stat({ path: 'x'.repeat(4095), linkname: 'y'.repeat(4095) });
    const count = writer.data(id, (buffer, at) => content.copy(buffer, at));
    assert.equal(count, length);
    writer.data(id, () => 0);
    const [, piece, end] = (await messages(writer.take())).map((message) => decode(packet, message));
    assert.deepEqual([piece?.type, piece?.id, end?.type, end?.id], [2, id, 2, id]);
    assert.ok(content.equals(piece?.data ?? Buffer.alloc(0)));
    assert.equal(end?.data.length, 0);
  }
});

test('there is room for what is written before it is full', () => {
  const writer = new PacketWriter();
  while (!writer.isFull) writer.stat({ path: 'x'.repeat(4095), linkname: 'y'.repeat(4095) });
  assert.equal(
    writer.data(1, (buffer, at) => Buffer.alloc(pieceBytes).copy(buffer, at)),
    pieceBytes,
  );
});
