import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressAnswer, emptyAnswer, pointerAnswer, refusal } from './answer.ts';
import { encode, encodeName, mutate, randomFrom, soa } from './_messages.ts';
import { parseQuery, type Query, recordType } from './query.ts';
import { readReply } from './reply.ts';

const A = recordType.A;
const asked = (bytes: Buffer): Query => {
  const query = parseQuery(bytes);
  assert.ok(query !== undefined && !('responseCode' in query));
  return query;
};
const code = (bytes: Buffer): number | undefined => {
  const query = parseQuery(bytes);
  return query !== undefined && 'responseCode' in query ? query.responseCode : undefined;
};

test('a question is read: its name in lower case, its type, what the client takes', () => {
  const plain = asked(encode({ name: 'Web.NET', type: A }));
  assert.deepEqual(
    [plain.name, plain.type, plain.isInternet, plain.hasExtensions, plain.room],
    ['web.net', 1, true, false, 512],
  );
  const extended = asked(encode({ name: 'x', type: recordType.AAAA, room: 4096 }));
  assert.deepEqual([extended.hasExtensions, extended.room], [true, 4096]);
  assert.equal(asked(encode({ name: 'x', type: A, room: 10 })).room, 512);
  const dotted = Buffer.concat([
    encode({ name: '', type: A }).subarray(0, 12),
    Buffer.from([3]),
    Buffer.from('a.b\0\0\x01\0\x01'),
  ]);
  assert.equal(asked(dotted).name, 'a\\.b', 'a dot inside of a label divides nothing');
  assert.equal(asked(encode({ name: '', type: A })).name, '');
});

test('what is no question gets no answer, and what is a bad one gets its code', () => {
  assert.equal(parseQuery(Buffer.alloc(11)), undefined);
  assert.equal(parseQuery(encode({ name: 'x', type: A, flags: 0x8100 })), undefined, 'an answer');
  assert.equal(code(encode({ name: 'x', type: A, flags: 0x2000 })), 4, 'another operation');
  const good = encode({ name: 'web', type: A, room: 512 });
  assert.equal(code(good.subarray(0, 16)), 1);
  assert.equal(code(good.subarray(0, good.length - 1)), 1, 'EDNS cut off');
  for (const [at, value] of [
    [5, 0],
    [5, 2],
    [7, 2],
    [9, 2],
    [11, 3],
    [12, 0xc0],
    [12, 0x40],
    [12, 64],
  ] as const) {
    const bad = Buffer.from(good);
    bad[at] = value;
    assert.equal(code(bad), 1, `byte ${at} is ${value}`);
  }
  const long = encode({ name: Array.from({ length: 5 }, () => 'x'.repeat(60)).join('.'), type: A });
  assert.equal(code(long), 1, 'a name of more than 255 bytes');
});

test('answers have the client’s number and spelling, and are cut where it takes no more', () => {
  const query = asked(encode({ id: 0x1234, name: 'WeB', type: A }));
  const one = addressAnswer(query, [Uint8Array.of(10, 0, 0, 1)], 512);
  assert.equal(one.toString('hex', 0, 12), '123481800001000100000000');
  assert.equal(one.toString('latin1', 13, 16), 'WeB');
  assert.equal(one.toString('hex', one.length - 16), 'c00c0001000100000005' + '0004' + '0a000001');
  const many = Array.from({ length: 100 }, (_, at) => Uint8Array.of(10, 0, 0, at));
  const cut = addressAnswer(query, many, query.room);
  assert.ok(cut.length <= 512 && cut.length > 490);
  assert.equal(cut.readUInt16BE(2), 0x8380, 'truncated');
  assert.equal(cut.readUInt16BE(6), Math.floor((512 - query.questionEnd) / 16));
  assert.equal(addressAnswer(query, many, 65_535).readUInt16BE(6), 100);
  const extended = asked(encode({ name: 'web', type: A, room: 1400 }));
  const whole = addressAnswer(extended, many, extended.room);
  assert.ok(whole.length <= 1400);
  assert.equal(whole.readUInt16BE(10), 1, 'EDNS is answered with EDNS');
  assert.equal(whole.toString('hex', whole.length - 11), '00002904d0000000000000');
  const pointer = pointerAnswer(asked(encode({ name: '1.0.0.10.in-addr.arpa', type: recordType.PTR })), 'web.net');
  assert.ok(pointer.subarray(-9).equals(encodeName('web.net')));
  assert.equal(emptyAnswer(query, 2).readUInt16BE(2), 0x8182);
  assert.equal(
    refusal({ bytes: encode({ id: 7, name: 'x', type: A }), responseCode: 1 }).toString('hex'),
    '000781810000000000000000',
  );
});

test('replies of other servers: only to this question, whole, with how long they may be kept', () => {
  const question = { name: 'a.test', type: A };
  const query = asked(encode(question));
  const answer = { name: 'A.test', type: A, ttl: 60, data: Uint8Array.of(1, 2, 3, 4) };
  const reply = (more: object): ReturnType<typeof readReply> =>
    readReply(encode({ ...question, id: 9, flags: 0x8180, ...more }), query, 9);
  const good = reply({ answers: [answer, { ...answer, ttl: 20 }], room: 1232 });
  assert.deepEqual([good?.code, good?.lifetime, good?.isTruncated, good?.ttlsAt.length], [0, 20, false, 2]);
  assert.equal(reply({ name: 'A.TEST' })?.code, 0, 'the case of letters does not count');
  assert.equal(reply({ name: 'b.test' }), undefined);
  assert.equal(reply({ type: 28 }), undefined);
  assert.equal(reply({ id: 10 }), undefined, 'another number');
  assert.equal(reply({ flags: 0x0180 }), undefined, 'a question');
  assert.equal(reply({ flags: 0x8380, answers: [answer] })?.lifetime, 0, 'truncated ones are not kept');
  const denial = { name: 'test', type: recordType.SOA, ttl: 1000, data: soa(30) };
  assert.equal(reply({ flags: 0x8183, authorities: [denial] })?.lifetime, 30);
  assert.equal(reply({ flags: 0x8183 })?.lifetime, 0, 'nobody says how long');
  assert.equal(reply({ flags: 0x8182, answers: [answer] })?.lifetime, 0);
  const whole = encode({ ...question, id: 9, flags: 0x8180, answers: [answer] });
  for (let end = 0; end < whole.length; end++) assert.equal(readReply(whole.subarray(0, end), query, 9), undefined);
});

test('half a million mutations each of good messages: nothing throws, nothing is read over its end, nothing takes long', () => {
  const random = randomFrom(20_260_101);
  const address = { name: 'web.net', type: A, ttl: 5, data: Uint8Array.of(1, 2, 3, 4) };
  const queries = [
    encode({ name: 'web', type: A }),
    encode({ name: 'a.b.c.d.e.f', type: recordType.AAAA, room: 1232 }),
    encode({ name: '1.0.0.10.in-addr.arpa', type: recordType.PTR, room: 512 }),
    encode({ name: 'x'.repeat(63), type: recordType.MX }),
  ];
  const replies = [
    encode({ name: 'web.net', type: A, flags: 0x8180, answers: [address, address] }),
    encode({
      name: 'web.net',
      type: A,
      flags: 0x8183,
      authorities: [{ ...address, type: 6, data: soa(5) }],
      room: 1232,
    }),
  ];
  const original = asked(encode({ name: 'web.net', type: A }));
  const addresses = Array.from({ length: 40 }, () => Uint8Array.of(10, 0, 0, 1));
  let [questions, bad, read] = [0, 0, 0];
  for (let count = 0; count < 500_000; count++) {
    const query = parseQuery(mutate(queries[count & 3] ?? Buffer.alloc(0), random));
    if (query !== undefined && 'responseCode' in query) {
      bad++;
      assert.equal(refusal(query).length, 12);
    } else if (query !== undefined) {
      questions++;
      const answer = addressAnswer(query, addresses, query.room);
      assert.ok(answer.length <= query.room && query.questionEnd <= query.bytes.length);
    }
    if (readReply(mutate(replies[count & 1] ?? Buffer.alloc(0), random), original, 1) !== undefined) read++;
  }
  // A mutation that changes nothing important is as good as before: all kinds have to be there.
  for (const [what, number] of Object.entries({ questions, bad, read }))
    assert.ok(number > 10_000, `${what}: ${number}`);
});
