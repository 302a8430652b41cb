import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { closeFrame, FrameReader, frameHeader, type Incoming, type Opcode, opcode } from './frames.ts';

/** A masked frame, as a client sends it. */
function clientFrame(kind: number, payload: Uint8Array, first = 0x80): Buffer {
  const header = frameHeader(kind as Opcode, payload.length);
  header[0] = first | kind;
  header[1] = (header[1] ?? 0) | 0x80;
  const mask = Buffer.from([1, 2, 3, 4]);
  return Buffer.concat([header, mask, payload.map((byte, at) => byte ^ (mask[at & 3] as number))]);
}
const bytesOf = (found: readonly Incoming[]): Buffer =>
  Buffer.concat(found.flatMap((one) => (one.kind === 'data' ? [one.bytes] : [])));

test('messages and control frames are read wherever they are cut', () => {
  const message = fc.uint8Array({ maxLength: 70_000 });
  fc.assert(
    fc.property(fc.array(message, { maxLength: 4 }), fc.array(fc.nat(200_000), { maxLength: 6 }), (payloads, cuts) => {
      const stream = Buffer.concat([
        ...payloads.flatMap((payload) => [
          clientFrame(opcode.binary, payload),
          clientFrame(opcode.ping, payload.slice(0, 9)),
        ]),
        clientFrame(opcode.close, Uint8Array.of(3, 232)),
      ]);
      const reader = new FrameReader();
      const found: Incoming[] = [];
      const places = [0, ...cuts.map((cut) => cut % stream.length).sort((a, b) => a - b), stream.length];
      for (const [at, place] of places.slice(1).entries())
        found.push(...reader.read(stream.subarray(places[at], place)));
      assert.deepEqual(bytesOf(found), Buffer.concat(payloads));
      assert.equal(found.filter(({ kind }) => kind === 'ping').length, payloads.length);
      assert.deepEqual(found.at(-1), { kind: 'close', code: 1000 });
    }),
    { numRuns: 50 },
  );
});

test('a message in fragments, with a ping between them', () => {
  const reader = new FrameReader();
  const parts = [
    clientFrame(opcode.text, Buffer.from('one '), 0),
    clientFrame(opcode.ping, Buffer.from('?')),
    clientFrame(opcode.continuation, Buffer.from('two'), 0x80),
  ];
  assert.equal(bytesOf(reader.read(Buffer.concat(parts))).toString(), 'one two');
});

test('what breaks the protocol is refused', () => {
  const bad: [string, Buffer][] = [
    ['no mask', Buffer.concat([frameHeader(opcode.binary, 1), Buffer.from('x')])],
    ['reserved bits', clientFrame(opcode.binary, Buffer.from('x'), 0xc0)],
    ['an unknown kind', clientFrame(3, Buffer.from('x'))],
    ['nothing to continue', clientFrame(opcode.continuation, Buffer.from('x'))],
    ['a message in a message', Buffer.concat([clientFrame(1, Buffer.from('x'), 0), clientFrame(1, Buffer.from('y'))])],
    ['a long control frame', clientFrame(opcode.ping, Buffer.alloc(126))],
    ['a control frame in parts', clientFrame(opcode.ping, Buffer.from('x'), 0)],
    ['half a code', clientFrame(opcode.close, Buffer.from('x'))],
    ['an endless frame', Buffer.concat([Buffer.from([0x82, 0xff]), Buffer.alloc(12, 0xff)])],
  ];
  for (const [what, bytes] of bad) assert.throws(() => new FrameReader().read(bytes), /./, what);
});

test('lengths of what is sent take as many bytes as they need', () => {
  assert.deepEqual([...frameHeader(opcode.binary, 5)], [0x82, 5]);
  assert.deepEqual([...frameHeader(opcode.text, 300)], [0x81, 126, 1, 44]);
  assert.deepEqual([...frameHeader(opcode.binary, 65_536)], [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
  assert.deepEqual([...closeFrame(1002)], [0x88, 2, 3, 234]);
});
