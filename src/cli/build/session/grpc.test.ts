import assert from 'node:assert/strict';
import { once as event } from 'node:events';
import net from 'node:net';
import { type TestContext, test } from 'node:test';
import { silentLogger } from '../../../base/log.ts';
import { connectGrpc, callUnary } from '../../../build/grpc/client.ts';
import { type Method as ServerMethod, serveGrpc, unary } from '../../../build/grpc/server.ts';
import { GrpcError, statusCodes } from '../../../build/grpc/status.ts';
import { bytesMessage } from '../../../build/wire/session.ts';
import { encode } from '../../../build/wire/encode.ts';
import { decode } from '../../../build/wire/decode.ts';
import { Http2Connection } from '../../../client/http2/connection.ts';
import { connect } from '../../../client/socket.ts';
import { beginCall, callOnce, type Method, once, serveCall } from './grpc.ts';

const path = '/test.Service/Method';
const signal = (): AbortSignal => new AbortController().signal;

/** A connection between the engine's side (node:http2) and the command line's own. */
async function pair(t: TestContext): Promise<{ engine: net.Socket; own: Parameters<typeof transportOf>[0] }> {
  const server = net.createServer();
  server.listen(0, '127.0.0.1');
  await event(server, 'listening');
  t.after(() => server.close());
  const accepted = event(server, 'connection');
  const { port } = server.address() as net.AddressInfo;
  const own = await connect({ kind: 'tcp', host: '127.0.0.1', port });
  const [engine] = (await accepted) as [net.Socket];
  t.after(() => engine.destroy());
  return { engine, own };
}

function transportOf(socket: Awaited<ReturnType<typeof connect>>) {
  async function* output(): AsyncGenerator<Uint8Array> {
    for (let chunk = await socket.read(); chunk !== undefined; chunk = await socket.read()) yield chunk;
  }
  return { output: output(), write: (bytes: Uint8Array) => socket.write(bytes), destroy: () => socket.destroy() };
}

async function asClient(t: TestContext, method: ServerMethod): Promise<Http2Connection> {
  const { engine, own } = await pair(t);
  void serveGrpc(engine, new Map([[path, method]]), silentLogger);
  const connection = new Http2Connection(transportOf(own), { role: 'client' });
  t.after(() => connection.close());
  return connection;
}

const echo = unary(bytesMessage, bytesMessage, async ({ data }) => ({ data }));
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

test('calls of all sizes are answered, many at a time', async (t) => {
  const connection = await asClient(t, echo);
  const sizes = [0, 1, 16_379, 16_384, 100_000, 3_000_000];
  await Promise.all(
    sizes.map(async (size) => {
      const data = Buffer.alloc(size, 'x');
      const options = { request: bytesMessage, response: bytesMessage, draft: { data }, signal: signal() };
      const answer = await callOnce(connection, path, options);
      assert.ok(data.equals(answer.data), `${size} bytes`);
    }),
  );
});

test('a status comes with its words and details, also after messages', async (t) => {
  const connection = await asClient(t, async (call) => {
    await call.send(encode(bytesMessage, { data: Buffer.from('first') }));
    throw new GrpcError(statusCodes.notFound, 'nothing: 100 % gone\nfür immer', Buffer.from('details'));
  });
  const call = beginCall(connection, path, [['name', 'value']]);
  await call.end();
  const got: string[] = [];
  await assert.rejects(
    async () => {
      for await (const message of call.messages) got.push(text(decode(bytesMessage, message).data));
    },
    (error: unknown) => {
      assert.ok(error instanceof GrpcError);
      assert.deepEqual([error.status, error.message], [5, 'nothing: 100 % gone\nfür immer']);
      assert.equal(text(error.details ?? new Uint8Array(0)), 'details');
      return true;
    },
  );
  assert.deepEqual(got, ['first']);
  const unknown = beginCall(connection, '/test.Service/Other');
  await unknown.end();
  await assert.rejects(unknown.messages[Symbol.asyncIterator]().next(), /unknown method/);
});

test('a reader that takes its time holds the sender up, and gets everything', async (t) => {
  let sent = 0;
  const connection = await asClient(t, async (call) => {
    for (let at = 0; at < 400; at++) {
      await call.send(encode(bytesMessage, { data: Buffer.alloc(100_000, at) }));
      sent++;
    }
  });
  const call = beginCall(connection, path);
  await call.end();
  let got = 0;
  for await (const message of call.messages) {
    assert.equal(decode(bytesMessage, message).data.length, 100_000);
    if (got++ === 0) {
      await new Promise((done) => setImmediate(done));
      assert.ok(sent < 400, 'the window holds less than all of it');
    }
  }
  assert.equal(got, 400);
});

test('a call that is given up ends at the other side', async (t) => {
  const over = Promise.withResolvers<void>();
  const connection = await asClient(t, async (call) => {
    call.begin();
    call.signal.addEventListener('abort', () => over.resolve());
    await over.promise;
  });
  const abort = new AbortController();
  const call = callOnce(connection, path, {
    request: bytesMessage,
    response: bytesMessage,
    draft: {},
    signal: abort.signal,
  });
  setImmediate(() => abort.abort());
  await assert.rejects(call);
  await over.promise;
});

test('the engine calls methods on the connection that was opened to it', async (t) => {
  const { engine, own } = await pair(t);
  const methods = new Map<string, Method>([
    [path, once(bytesMessage, bytesMessage, async ({ data }) => ({ data: Buffer.concat([data, Buffer.from('!')]) }))],
    [
      '/test.Service/Fails',
      async () => {
        throw new GrpcError(statusCodes.notFound, 'no such thing');
      },
    ],
  ]);
  const connection = new Http2Connection(transportOf(own), {
    role: 'server',
    onStream: (stream) => void serveCall(stream, methods),
  });
  const client = connectGrpc(engine, silentLogger);
  const draft = { data: Buffer.alloc(200_000, 'y') };
  const types = { request: bytesMessage, response: bytesMessage };
  const answers = await Promise.all(
    [1, 2, 3].map(() => callUnary(client, path, { ...types, draft, signal: signal() })),
  );
  assert.deepEqual(
    answers.map(({ data }) => data.length),
    [200_001, 200_001, 200_001],
  );
  await assert.rejects(
    callUnary(client, '/test.Service/Fails', { ...types, draft, signal: signal() }),
    /no such thing/,
  );
  await assert.rejects(
    callUnary(client, '/test.Service/None', { ...types, draft, signal: signal() }),
    /unknown method/,
  );
  await connection.close();
  await client.closed;
});

test('a peer that speaks something else ends the connection, and what waits on it', async (t) => {
  const { engine, own } = await pair(t);
  const connection = new Http2Connection(transportOf(own), { role: 'client' });
  const call = beginCall(connection, path);
  engine.write(Buffer.alloc(64, 0xff));
  await assert.rejects(call.messages[Symbol.asyncIterator]().next(), /longer than allowed/);
  await connection.closed;
});
