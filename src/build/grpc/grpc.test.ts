import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { EngineError } from '../../base/errors.ts';
import { encode } from '../wire/encode.ts';
import type { Table } from '../wire/message.ts';
import { callUnary, type GrpcClient } from './client.ts';
import { answering, unary } from './server.ts';
import { clientOf } from './test-client.ts';
import { decodeMessage, encodeMessage, GrpcError, statusCodes } from './status.ts';

const text = { text: [1, 'string'] } as const satisfies Table;
const never = new AbortController().signal;

const ask = (client: GrpcClient, path: string, asked: string) =>
  callUnary(client, path, { request: text, response: text, draft: { text: asked }, signal: never });

const fails = (promise: Promise<unknown>, status: number, message: RegExp) =>
  assert.rejects(promise, (error: unknown) => {
    assert.ok(error instanceof GrpcError, String(error));
    assert.equal(error.status, status);
    assert.match(error.message, message);
    return true;
  });

test('a call is answered, or told why not', async (t) => {
  const client = await clientOf(t, {
    '/s/Echo': unary(text, text, async (message) => ({ text: message.text.toUpperCase() })),
    '/s/Fail': unary(text, text, async () => {
      throw new EngineError('not-found', 'nothing ü 100%\n');
    }),
  });
  assert.equal((await ask(client, '/s/Echo', 'hello')).text, 'HELLO');
  assert.equal((await ask(client, '/s/Echo', 'x'.repeat(3_000_000))).text.length, 3_000_000);
  await fails(ask(client, '/s/Fail', ''), statusCodes.notFound, /^nothing ü 100%\n$/);
  await fails(ask(client, '/s/None', ''), statusCodes.unimplemented, /unknown method \/s\/None/);
});

test('a stream waits for a slow reader, and ends with its status', async (t) => {
  let made = 0;
  const big = 'x'.repeat(1 << 20);
  const client = await clientOf(t, {
    '/s/Many': answering(text, text, async function* many() {
      for (; made < 30; made++) yield { text: big };
      throw new EngineError('invalid', 'enough');
    }),
  });
  const call = client.call('/s/Many', { signal: never });
  call.end();
  let got = 0;
  await fails(
    (async () => {
      for await (const message of call.messages) {
        if (got++ === 0) assert.ok(made < 28, `${made} of 30 MiB were made for a reader of one`);
        assert.ok(message.length > big.length);
      }
    })(),
    statusCodes.invalid,
    /enough/,
  );
  assert.equal(got, 30);
});

test('who gives a call up ends it on the other side', async (t) => {
  const begun = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<unknown>();
  const client = await clientOf(t, {
    '/s/Wait': async (call) => {
      call.begin();
      begun.resolve();
      await once(call.signal, 'abort');
      ended.resolve(call.signal.reason);
    },
  });
  const abort = new AbortController();
  const call = client.call('/s/Wait', { signal: abort.signal });
  call.end();
  const read = (async () => {
    for await (const _message of call.messages);
  })();
  await begun.promise;
  abort.abort();
  await assert.rejects(read, /cancelled/);
  assert.match(String(await ended.promise), /context canceled/);
});

test('a deadline ends a call', async (t) => {
  const client = await clientOf(t, {
    '/s/Wait': async (call) => {
      await once(call.signal, 'abort');
      throw call.signal.reason;
    },
  });
  const call = client.call('/s/Wait', { signal: never, metadata: { 'grpc-timeout': '20m' } });
  call.end();
  await fails(
    (async () => {
      for await (const _message of call.messages);
    })(),
    statusCodes.deadline,
    /deadline exceeded/,
  );
});

test('a message that is too long is refused', async (t) => {
  const client = await clientOf(t, { '/s/Echo': unary(text, text, async (message) => message) });
  const send = async (bytes: Uint8Array): Promise<void> => {
    const call = client.call('/s/Echo', { signal: never });
    void call.send(bytes);
    call.end();
    for await (const _message of call.messages);
  };
  await send(encode(text, { text: 'fine' }));
  await fails(send(Buffer.alloc(17 << 20)), statusCodes.exhausted, /longer than the allowed/);
});

test('messages of errors travel as ASCII', () => {
  for (const message of ['', 'plain', '100% ü\n', '\u{1f600}', '%41']) {
    const encoded = encodeMessage(message);
    assert.match(encoded, /^[\x20-\x7e]*$/);
    assert.equal(decodeMessage(encoded), message);
  }
});
