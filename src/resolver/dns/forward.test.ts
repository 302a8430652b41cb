import assert from 'node:assert/strict';
import { createSocket, type RemoteInfo } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { after, test } from 'node:test';
import type { Upstream } from '../../spec/resolver/names.ts';
import { encode, type Message, soa } from './_messages.ts';
import { frameMessage, MessageReader } from './frames.ts';
import { Forwarder, type Passed, type Transport } from './forward.ts';
import { parseQuery } from './query.ts';

const closing: (() => void)[] = [];
after(() => {
  for (const close of closing) close();
});

type Replies = (question: Buffer, count: number) => readonly Buffer[];

/** A server on the loopback that replies to the n-th question, over UDP and TCP, with what `replies` says. */
async function server(replies: Replies): Promise<Upstream & { readonly asked: () => number }> {
  let asked = 0;
  const streams = createServer((socket) => {
    const reader = new MessageReader((message) => {
      for (const reply of replies(message, ++asked)) socket.write(frameMessage(reply));
    }, 65_535);
    socket.on('data', (chunk: Buffer) => void reader.read(chunk)).on('error', () => undefined);
  });
  await once(streams.listen(0, '127.0.0.1'), 'listening');
  const { port } = streams.address() as AddressInfo;
  const datagrams = createSocket('udp4');
  datagrams.on('message', (message: Buffer, from: RemoteInfo) => {
    for (const reply of replies(message, ++asked)) datagrams.send(reply, from.port, from.address);
  });
  await once(datagrams.bind(port, '127.0.0.1'), 'listening');
  closing.push(
    () => streams.close(),
    () => datagrams.close(),
  );
  return { address: '127.0.0.1', port, from: 'host', asked: () => asked };
}

const question: Message = { id: 0x1111, name: 'a.test', type: 1 };
const address = (last: number, ttl = 60) => ({ name: 'a.test', type: 1, ttl, data: Uint8Array.of(192, 0, 2, last) });
/** A reply with the number of the question. */
const replyTo = (asked: Buffer, more: Partial<Message>): Buffer =>
  encode({ ...question, id: asked.readUInt16BE(0), flags: 0x8180, ...more });
const answers =
  (last: number, ttl?: number): Replies =>
  (asked) => [replyTo(asked, { answers: [address(last, ttl)] })];
const silent: Replies = () => [];
const fails: Replies = (asked) => [replyTo(asked, { flags: 0x8182 })];

function forwarder(upstreams: readonly Upstream[], nowMs = () => performance.now()): Forwarder {
  const made = new Forwarder((_, work) => work() as never, nowMs);
  made.setUpstreams(upstreams);
  closing.push(() => made.close());
  return made;
}

function ask(from: Forwarder, message: Message = question, transport: Transport = 'udp'): Promise<Passed> {
  const query = parseQuery(encode(message));
  assert.ok(query !== undefined && !('responseCode' in query));
  return new Promise((resolve) => from.ask(query, transport, resolve));
}
/** The last byte of the first answer's address, or the refusal's code. */
async function lastOf(passed: Promise<Passed>): Promise<number | string> {
  const got = await passed;
  return Buffer.isBuffer(got) ? (got.at(-1) ?? -1) : `code ${got.responseCode}`;
}

test('a reply comes back with the number and the spelling of the client', async () => {
  const one = await server(answers(7));
  const passed = await ask(forwarder([one]), { ...question, name: 'A.tesT' });
  assert.ok(Buffer.isBuffer(passed));
  assert.equal(passed.readUInt16BE(0), 0x1111);
  assert.equal(passed.toString('latin1', 13, 19), 'A\x04tesT');
  assert.equal(passed.at(-1), 7);
  assert.equal(await lastOf(ask(forwarder([one]), question, 'tcp')), 7);
});

test('servers are asked in order: the next at once after a failure, and after a while of silence', async () => {
  const [bad, mute, good] = [await server(fails), await server(silent), await server(answers(3))];
  const closed = { address: '127.0.0.1', port: 1, from: 'host' } as const;
  const started = performance.now();
  for (const first of [bad, closed]) {
    assert.equal(await lastOf(ask(forwarder([first, good]))), 3);
    assert.equal(await lastOf(ask(forwarder([first, good]), question, 'tcp')), 3);
  }
  assert.ok(performance.now() - started < 1000, 'failures are not waited for');
  assert.equal(await lastOf(ask(forwarder([mute, good]))), 3);
  assert.ok(performance.now() - started > 1100, 'silence is');
  assert.equal(await lastOf(ask(forwarder([bad]))), 'code 2');
  assert.equal(bad.asked(), 4, 'twice at most');
  assert.equal(await lastOf(ask(forwarder([]))), 'code 2');
  const slow = await server((asked, count) => (count === 1 ? [] : answers(9)(asked, count)));
  assert.equal(await lastOf(ask(forwarder([slow]))), 9, 'a lost packet is sent again');
});

test('what is no reply to the question is passed by', async () => {
  const guesses: Replies = (asked) => {
    const wrongNumber = replyTo(asked, { answers: [address(66)] });
    wrongNumber.writeUInt16BE((asked.readUInt16BE(0) + 1) & 0xffff, 0);
    const wrongName = replyTo(asked, { name: 'b.test', answers: [address(66)] });
    return [wrongNumber, wrongName, Buffer.alloc(3), asked, ...answers(1)(asked, 0)];
  };
  assert.equal(await lastOf(ask(forwarder([await server(guesses)]))), 1);
});

test('truncated replies go to the client, which comes back by TCP', async () => {
  const large = Array.from({ length: 3000 }, (_, at) => address(at % 256));
  const one = await server((asked, count) => [
    count === 1 ? replyTo(asked, { flags: 0x8380 }) : replyTo(asked, { answers: large.slice(0, 2000) }),
  ]);
  const passed = await ask(forwarder([one]));
  assert.ok(Buffer.isBuffer(passed) && passed.readUInt16BE(2) === 0x8380);
  const whole = await ask(forwarder([one]), question, 'tcp');
  assert.ok(Buffer.isBuffer(whole) && whole.length > 40_000 && whole.readUInt16BE(6) === 2000);
});

test('replies are kept for as long as they say, denials too, failures never; other servers are asked anew', async () => {
  let now = 0;
  const one = await server((asked, count) => answers(count, 60)(asked, count));
  const from = forwarder([one], () => now);
  assert.equal(await lastOf(ask(from)), 1);
  now = 20_000;
  const kept = await ask(from, { ...question, id: 5 });
  assert.ok(Buffer.isBuffer(kept) && kept.at(-1) === 1);
  assert.equal(kept.readUInt16BE(0), 5);
  assert.equal(kept.readUInt32BE(kept.length - 10), 40, 'the seconds that are left');
  assert.equal(await lastOf(ask(from, { ...question, room: 1232 })), 2, 'another question');
  now = 60_000;
  assert.equal(await lastOf(ask(from)), 3);
  from.setUpstreams([one, one]);
  assert.equal(await lastOf(ask(from)), 4);
  const denial = { name: 'test', type: 6, ttl: 60, data: soa(30) };
  const none = await server((asked) => [replyTo(asked, { flags: 0x8183, authorities: [denial] })]);
  const denied = forwarder([none], () => now);
  for (const [at, times] of [
    [60_000, 1],
    [89_000, 1],
    [90_000, 2],
  ] as const) {
    now = at;
    const passed = await ask(denied);
    assert.ok(Buffer.isBuffer(passed) && passed.readUInt16BE(2) === 0x8183);
    assert.equal(none.asked(), times);
  }
});

test('who asks the same at the same time shares the question; too many others are refused', async () => {
  const questions: (() => void)[] = [];
  let seen = 0;
  const one = createSocket('udp4');
  one.on('message', (message: Buffer, from: RemoteInfo) => {
    seen++;
    questions.push(() => one.send(replyTo(message, { answers: [address(1)] }), from.port, from.address));
  });
  await once(one.bind(0, '127.0.0.1'), 'listening');
  closing.push(() => one.close());
  const from = forwarder([{ address: '127.0.0.1', port: one.address().port, from: 'host' }]);
  const same = Array.from({ length: 50 }, (_, id) => ask(from, { ...question, id }));
  while (seen === 0) await once(one, 'message');
  for (const reply of questions.splice(0)) reply();
  const passed = await Promise.all(same);
  assert.deepEqual(
    passed.map((reply) => Buffer.isBuffer(reply) && reply.readUInt16BE(0)),
    Array.from({ length: 50 }, (_, id) => id),
  );
  assert.equal(seen, 1);
  const many = Array.from({ length: 600 }, (_, at) => ask(from, { ...question, name: `${at}.test` }));
  const refused = await Promise.all(many.slice(512).map(lastOf));
  assert.deepEqual(new Set(refused), new Set(['code 5']));
});
