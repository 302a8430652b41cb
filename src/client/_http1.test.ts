import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { readText } from './client.ts';
import { requestHead, ResponseReader } from './_http1.ts';
import type { ByteSocket } from './socket.ts';

/** A socket that brings `text` in pieces that end at `cuts`. */
function socketOf(text: string, cuts: readonly number[] = []): ByteSocket {
  const bytes = new TextEncoder().encode(text);
  const ends = [...new Set([...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].sort((a, b) => a - b);
  let from = 0;
  return {
    read: () => {
      const end = ends.shift();
      if (end === undefined) return Promise.resolve(undefined);
      const chunk = bytes.slice(from, end);
      from = end;
      return Promise.resolve(chunk);
    },
    write: () => Promise.resolve(),
    end: () => undefined,
    destroy: () => undefined,
  };
}

const two =
  'HTTP/1.1 200 OK\r\nContent-Type: a\r\nX: 1\r\nx: 2\r\nContent-Length: 5\r\n\r\nhello' +
  'HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: 1\r\n\r\n' +
  'HTTP/1.1 101 Upgraded\r\nUpgrade: tcp\r\n\r\nraw bytes';

test('responses follow each other on one connection, however their bytes arrive', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat({ max: two.length })), async (cuts) => {
      const reader = new ResponseReader(socketOf(two, cuts));
      const first = await reader.head();
      assert.equal(first?.status, 200);
      assert.equal(first.headers.get('x'), '1, 2');
      assert.equal(await readText(reader.body(first)), 'hello');
      const second = await reader.head();
      assert.equal(second?.status, 404);
      assert.equal(second.reason, 'Not Found');
      assert.equal(await readText(reader.body(second)), 'abcde');
      const third = await reader.head();
      assert.equal(third?.status, 101);
      assert.equal(await readText(reader.raw()), 'raw bytes');
    }),
    { numRuns: 50 },
  );
});

test('interim answers are passed over', async () => {
  const reader = new ResponseReader(socketOf('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n'));
  assert.equal((await reader.head())?.status, 204);
});

test('a connection that ends early is an error, except between responses', async () => {
  assert.equal(await new ResponseReader(socketOf('')).head(), undefined);
  await assert.rejects(new ResponseReader(socketOf('HTTP/1.1 200')).head(), /ended inside the head/);
  const reader = new ResponseReader(socketOf('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel'));
  const head = await reader.head();
  assert.ok(head);
  await assert.rejects(readText(reader.body(head)), /unexpected EOF/);
});

test('what is no HTTP is refused', async () => {
  await assert.rejects(new ResponseReader(socketOf('SSH-2.0-OpenSSH\r\n\r\n\r\n')).head(), /malformed HTTP response/);
  await assert.rejects(new ResponseReader(socketOf('x'.repeat(300_000))).head(), /too long/);
});

test('a header value cannot smuggle in another header', () => {
  const text = new TextDecoder().decode(requestHead('GET', '/', { A: 'b\r\nEvil: 1' }));
  assert.equal(text, 'GET / HTTP/1.1\r\nA: b  Evil: 1\r\n\r\n');
});
