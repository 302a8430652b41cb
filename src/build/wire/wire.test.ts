import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { EngineError } from '../../base/errors.ts';
import { solveRequest, statusResponse } from './control.ts';
import { decode } from './decode.ts';
import { encode } from './encode.ts';
import type { Draft, Table } from './message.ts';

const packet = {
  type: [1, 'int'],
  stat: [
    2,
    { path: [1, 'name'], mode: [2, 'int'], size: [5, 'int'], modTime: [6, 'big'], xattrs: [10, 'bytes', 'map'] },
  ],
  id: [3, 'int'],
  data: [4, 'bytes'],
} as const satisfies Table;

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

test('fields are encoded as the format says', () => {
  const table = {
    number: [1, 'int'],
    text: [2, 'string'],
    yes: [3, 'bool'],
    list: [4, 'int', 'list'],
    map: [5, 'string', 'map'],
    inner: [6, { a: [1, 'int'] }],
    late: [16, 'bytes'],
  } as const satisfies Table;
  const draft: Draft<typeof table> = {
    number: 150,
    text: 'testing',
    yes: true,
    list: [0, 1],
    map: new Map([['k', 'v']]),
    inner: { a: -1 },
    late: Buffer.from([0]),
  };
  assert.equal(
    hex(encode(table, draft)),
    '089601' +
      '120774657374696e67' +
      '1801' +
      '20002001' +
      '2a060a016b120176' +
      '320b08ffffffffffffffffff01' +
      '82010100',
  );
  assert.equal(hex(encode(table, { number: 0, text: '', yes: false, list: [] })), '');
});

test('a message comes back as it was sent', () => {
  const text = fc.string({ maxLength: 12 });
  const value = fc.record({
    type: fc.nat(4),
    id: fc.nat(2 ** 31),
    data: fc.uint8Array({ maxLength: 50 }),
    stat: fc.option(
      fc.record({
        path: fc.uint8Array({ maxLength: 30 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
        mode: fc.nat(2 ** 32 - 1),
        size: fc.integer({ min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER }),
        modTime: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
        xattrs: fc.dictionary(text, fc.uint8Array({ maxLength: 9 })).map((entries) => new Map(Object.entries(entries))),
      }),
      { nil: undefined },
    ),
  });
  fc.assert(
    fc.property(value, (sent) => {
      const got = decode(packet, encode(packet, sent));
      assert.deepEqual([got.type, got.id, Buffer.from(got.data)], [sent.type, sent.id, Buffer.from(sent.data)]);
      assert.equal(got.stat === undefined, sent.stat === undefined);
      if (got.stat === undefined || sent.stat === undefined) return;
      const { path, mode, size, modTime, xattrs } = got.stat;
      assert.deepEqual(
        [path, mode, size, modTime],
        [sent.stat.path, sent.stat.mode, sent.stat.size, sent.stat.modTime],
      );
      assert.deepEqual([...xattrs.keys()], [...sent.stat.xattrs.keys()]);
    }),
  );
});

test('whatever bytes come, they are a message or refused', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      for (const table of [solveRequest, statusResponse, packet]) {
        try {
          decode(table, bytes);
        } catch (error) {
          assert.ok(error instanceof EngineError && error.code === 'invalid', String(error));
        }
      }
    }),
    { numRuns: 2000 },
  );
});

const refused: readonly [what: string, hex: string, message: RegExp][] = [
  ['a length beyond the end', '0a05', /cut off/],
  ['a number that does not end', '18ffffffffffffffffffffff', /ten bytes/],
  ['a number where text is due', '0801', /wire type 0/],
  ['a group', '0b', /wire type 3/],
];
for (const [what, bytes, message] of refused) {
  test(`a message with ${what} is refused`, () => {
    assert.throws(() => decode({ text: [1, 'string'], number: [3, 'int'] }, Buffer.from(bytes, 'hex')), message);
  });
}

test('a message with millions of empty items is refused', () => {
  const bytes = Buffer.alloc(2 * 300_000);
  for (let at = 0; at < bytes.length; at += 2) bytes[at] = 0x0a;
  assert.throws(() => decode({ list: [1, 'string', 'list'] }, bytes), /more than 200000 items/);
});

test('fields that nobody knows are passed by', () => {
  const all = { a: [1, 'int'], b: [2, 'string'], c: [3, 'bytes'], d: [4, 'int'] } as const satisfies Table;
  const bytes = encode(all, { a: 1, b: 'x', c: Buffer.from('y'), d: 7 });
  assert.deepEqual(decode({ d: [4, 'int'] }, bytes), { d: 7 });
});
