import assert from 'node:assert/strict';
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import { describe, test } from 'node:test';
import { readAll } from '../../base/stream.ts';
import { createTransport, type RequestBody } from './transport.ts';

const patient = { headMs: 60_000, stallMs: 60_000, answerMs: 60_000 };
const transport = createTransport(patient);
const trust = { insecure: true, ownNetwork: true };

async function serve(listener: RequestListener) {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: new URL(`http://127.0.0.1:${port}/x`),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** `count` pieces of 64 KiB. */
const pieces = (count: number, length = count * 65536): RequestBody => ({
  length,
  async *open() {
    for (let at = 0; at < count; at++) yield new Uint8Array(65536).fill(at % 251);
  },
});

/** Keeps this process from everything else, for `ms`. */
const holdUp = (ms: number): void => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

describe('a process that was held up itself', () => {
  test('takes an answer that is there already', async () => {
    await using server = await serve((_, response) => {
      response.write('first');
      setImmediate(() => holdUp(150));
      response.end('second');
    });
    const impatient = createTransport({ headMs: 100, stallMs: 100, answerMs: 100 });
    for (let round = 0; round < 20; round++) {
      const response = await impatient({ url: server.url, headers: {}, trust });
      assert.equal(new TextDecoder().decode(await readAll(response.body, 100)), 'firstsecond');
    }
  });
});

describe('a body', () => {
  test('arrives whole, with its length', async () => {
    let got = 0;
    await using server = await serve(async (request, response) => {
      for await (const chunk of request) got += (chunk as Uint8Array).length;
      response.writeHead(201).end(request.headers['content-length']);
    });
    const response = await transport({ url: server.url, method: 'PUT', headers: {}, body: pieces(64), trust });
    assert.equal(response.status, 201);
    assert.equal(new TextDecoder().decode(await readAll(response.body, 100)), String(64 * 65536));
    assert.equal(got, 64 * 65536);
  });

  test('is not sent on after an answer that does not wait for it', async () => {
    await using server = await serve((_, response) => void response.writeHead(413).end('too large'));
    let taken = 0;
    const body = {
      length: 1e9,
      async *open() {
        for (;;) {
          taken++;
          yield new Uint8Array(65536);
          await new Promise((resolve) => setImmediate(resolve));
        }
      },
    };
    const response = await transport({ url: server.url, method: 'PUT', headers: {}, body, trust });
    assert.equal(response.status, 413);
    response.discard();
    assert.ok(taken < 15_000);
  });

  test('that nobody takes ends the request', async () => {
    const sockets: Socket[] = [];
    const server = createTcpServer((socket) => void sockets.push(socket.pause()));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    const impatient = createTransport({ ...patient, stallMs: 100 });
    await assert
      .rejects(
        impatient({ url, method: 'PATCH', headers: {}, body: pieces(1000), trust }),
        /Patch "http:\S+": no data taken for 0.1 seconds: i\/o timeout$/,
      )
      .finally(() => {
        for (const socket of sockets) socket.destroy();
        server.close();
      });
  });

  test('without an answer ends the request', async () => {
    await using server = await serve((request) => void request.resume());
    const impatient = createTransport({ ...patient, answerMs: 100 });
    await assert.rejects(
      impatient({ url: server.url, method: 'PUT', headers: {}, body: pieces(1), trust }),
      /timeout awaiting response headers/,
    );
  });

  test('that breaks or has another length breaks the request', async () => {
    await using server = await serve((request) => void request.resume().on('error', () => undefined));
    const broken = {
      length: 10,
      async *open() {
        yield new Uint8Array(1);
        throw new Error('the disk broke');
      },
    };
    const put = (body: RequestBody) => transport({ url: server.url, method: 'PUT', headers: {}, body, trust });
    await assert.rejects(put(broken), /the disk broke/);
    await assert.rejects(put(pieces(2, 1)), /a request's body has/);
    await assert.rejects(put(pieces(2, 10_000_000)), /a request's body has 131072 bytes instead of 10000000/);
  });

  test('is given up when the operation is cancelled', async () => {
    await using server = await serve((request) => void request.on('error', () => undefined));
    const abort = new AbortController();
    const sending = transport({
      url: server.url,
      method: 'PUT',
      headers: {},
      body: pieces(1000),
      trust,
      signal: abort.signal,
    });
    setImmediate(() => abort.abort());
    await assert.rejects(sending, { code: 'cancelled' });
  });
});
