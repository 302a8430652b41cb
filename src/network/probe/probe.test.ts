import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { needsRoot } from '../../../tests/support/skip.ts';
import type { ProbeTarget } from '../../spec/contract/probe.ts';
import { processStartTime } from '../../sys/process/pidfd.ts';
import { networkProbes } from './probe.ts';

const self = { pid: process.pid, start: processStartTime(process.pid) ?? 0 };
const limit = 64;

/** Serves by `serve` on loopback, and asks it once. */
async function ask(serve: (socket: Socket) => void, options: { timeoutMs?: number; kind?: 'tcp' | 'http' } = {}) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    serve(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  try {
    return await networkProbes.probe(
      targetOf(port, options.kind ?? 'http'),
      self,
      limit,
      AbortSignal.timeout(options.timeoutMs ?? 10_000),
    );
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
}

function targetOf(
  port: number,
  kind: 'tcp' | 'http',
  addresses: readonly string[] = ['127.0.0.1', '::1'],
): ProbeTarget {
  const place = { addresses, port };
  if (kind === 'tcp') return { kind, ...place };
  return { kind, ...place, secure: false, authority: `localhost:${port}`, path: '/health?x=1' };
}

const saying = (text: string) => (socket: Socket) => socket.once('data', () => socket.end(text));
const body = (status: string, text: string) =>
  `HTTP/1.1 ${status}\r\nContent-Length: ${text.length}\r\nServer: x\r\n\r\n${text}`;

describe('a probe over the network', { skip: needsRoot() }, () => {
  it('sends one GET and judges by the status', async () => {
    let request = '';
    const good = await ask((socket) =>
      socket.once('data', (bytes: Buffer) => {
        request = bytes.toString();
        socket.write(body('200 OK', 'fine'));
      }),
    );
    assert.deepEqual(good, { isGood: true, text: 'HTTP/1.1 200 OK\nfine' });
    assert.match(request, /^GET \/health\?x=1 HTTP\/1\.1\r\nHost: localhost:\d+\r\n(?:[A-Z].*\r\n)+\r\n$/);
    assert.equal((await ask(saying(body('302 Found', '')))).isGood, true);
    for (const status of ['404 Not Found', '503', '199 X', '400 Bad']) {
      assert.equal((await ask(saying(body(status, 'no')))).isGood, false, status);
    }
  });

  it('connects, and no more, over TCP', async () => {
    assert.deepEqual(await ask(() => undefined, { kind: 'tcp' }), { isGood: true, text: '' });
  });

  it('says why there is no connection', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, 'close');
    const answer = await networkProbes.probe(
      targetOf(port, 'tcp', ['127.0.0.1']),
      self,
      limit,
      AbortSignal.timeout(5000),
    );
    assert.deepEqual(answer, { isGood: false, text: `TCP check of 127.0.0.1:${port} failed: connection refused` });
    const gone = await networkProbes.probe(
      targetOf(port, 'tcp'),
      { ...self, start: 1 },
      limit,
      AbortSignal.timeout(5000),
    );
    assert.equal(gone.isGood, false);
  });

  it('keeps the begin of a long body only, and does not wait for a slow one', async () => {
    const long = await ask(saying(body('200 OK', 'x'.repeat(100_000))));
    assert.equal(long.text, `HTTP/1.1 200 OK\n${'x'.repeat(limit)}...`);
    const slow = await ask((socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf'));
    assert.deepEqual(slow, { isGood: true, text: 'HTTP/1.1 200 OK\nhalf' });
  });

  it('gives up servers that do not answer: endless heads, other protocols, silence, an early end', async () => {
    const flood = await ask((socket) => {
      const more = () =>
        void (socket.destroyed || socket.write(`X: ${'y'.repeat(4000)}\r\n`, () => setImmediate(more)));
      socket.write('HTTP/1.1 200 OK\r\n');
      more();
    });
    assert.equal(flood.isGood, false);
    assert.match(flood.text, /the head of the answer is too long/);
    assert.match((await ask(saying('SSH-2.0-x\r\n\r\n'))).text, /the answer is not HTTP/);
    assert.match((await ask(saying(''))).text, /closed the connection without an answer/);
    assert.match((await ask((socket) => socket.resetAndDestroy())).text, /failed: /);
    const began = performance.now();
    await assert.rejects(
      ask(() => undefined, { timeoutMs: 100 }),
      /cancelled/,
    );
    await assert.rejects(
      ask((socket) => void setInterval(() => socket.write('H'), 5).unref(), { timeoutMs: 200 }),
      /cancelled/,
    );
    assert.ok(performance.now() - began < 3000);
  });
});
