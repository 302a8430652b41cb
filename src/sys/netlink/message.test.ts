import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  acknowledgementIn,
  attribute,
  attributesIn,
  encodeMessage,
  messagesIn,
  nested,
  textAttribute,
  textOf,
  u32,
  u32Attribute,
} from './message.ts';

test('an attribute is padded to four bytes, its length is not', () => {
  assert.equal(attribute(3, Uint8Array.of(1, 2, 3, 4, 5)).toString('hex'), '090003000102030405000000');
  assert.equal(textAttribute(3, 'lo').toString('hex'), '070003006c6f0000');
});

test('a nested attribute carries the flag and is read back without it', () => {
  const bytes = nested(18, textAttribute(1, 'veth'), u32Attribute(2, 7));
  assert.equal(bytes.readUInt16LE(2), 0x8012);
  const inner = attributesIn(attributesIn(bytes).get(18) ?? Buffer.alloc(0));
  assert.equal(textOf(inner.get(1)), 'veth');
  assert.equal(inner.get(2)?.readUInt32LE(0), 7);
});

test('messages are read back one by one and a cut-off rest is dropped', () => {
  const first = encodeMessage({ type: 16, flags: 5, body: Uint8Array.of(1, 2, 3) }, 8);
  const second = encodeMessage({ type: 17, flags: 1, body: u32(9) }, 9);
  const read = [...messagesIn(Buffer.concat([first, second, second.subarray(0, 18)]))];
  assert.deepEqual(
    read.map((message) => [message.type, message.flags, message.sequence, message.body.toString('hex')]),
    [
      [16, 5, 8, '010203'],
      [17, 1, 9, '09000000'],
    ],
  );
});

test('malformed lengths end the reading instead of looping', () => {
  assert.deepEqual([...messagesIn(Buffer.alloc(64))], []);
  assert.equal(attributesIn(Buffer.from('0000010000000000', 'hex')).size, 0);
  assert.equal(attributesIn(Buffer.from('ff00010000000000', 'hex')).size, 0);
});

test('an acknowledgement gives errno and the extended text', () => {
  const echoed = Buffer.alloc(16);
  echoed.writeUInt32LE(40, 0);
  const error = Buffer.alloc(4);
  error.writeInt32LE(-17);
  const body = Buffer.concat([error, echoed, textAttribute(1, 'Device exists')]);
  const received = { type: 2, flags: 0x300, sequence: 1, body };
  assert.deepEqual(acknowledgementIn(received), { errno: 17, text: 'Device exists' });
  assert.deepEqual(acknowledgementIn({ ...received, flags: 0 }), { errno: 17, text: '' });
  assert.deepEqual(acknowledgementIn({ ...received, body: Buffer.alloc(20) }), { errno: 0, text: '' });
});
