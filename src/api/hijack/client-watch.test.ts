import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, createConnection, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { watchClient } from './client-watch.ts';
import { clientOver, type StdioWishes } from './session.ts';

const frames: StdioWishes = {
  tty: false,
  multiplexed: true,
  stdin: false,
  stdout: true,
  stderr: true,
  detachKeys: [],
};
const terminal: StdioWishes = { ...frames, tty: true, multiplexed: false };

/** Unlike `once`, whatever error comes before. */
const closeOf = (stream: Socket): Promise<void> => new Promise((resolve) => stream.once('close', () => resolve()));

/** A watched client on a socket; `chunks` is what it was sent. */
async function watched(t: TestContext, wishes: StdioWishes) {
  const folder = await mkdtemp(join(tmpdir(), 'watch-'));
  const server = createServer({ allowHalfOpen: true });
  server.listen(join(folder, 'socket'));
  await once(server, 'listening');
  const accepted = once(server, 'connection');
  const client = createConnection({ path: join(folder, 'socket'), allowHalfOpen: true });
  const chunks: Buffer[] = [];
  client.on('data', (chunk: Buffer) => chunks.push(chunk));
  const [stream] = (await accepted) as [Socket];
  stream.on('error', () => stream.destroy());
  const watch = watchClient(clientOver(stream, wishes), wishes);
  stream.resume();
  t.after(async () => {
    watch.stop();
    client.destroy();
    stream.destroy();
    server.close();
    await rm(folder, { recursive: true });
  });
  return { client, stream, watch, chunks };
}

test('a client that ends its input and waits is there; one that has closed is gone', async (t) => {
  for (const wishes of [frames, terminal]) {
    const { client, stream, chunks } = await watched(t, wishes);
    const ended = once(stream, 'end');
    client.end();
    await ended;
    // Two looks later it is still there.
    const began = stream.bytesWritten;
    if (wishes.multiplexed) while (chunks.length < 2) await once(client, 'data');
    assert.equal(stream.bytesWritten, began + Buffer.concat(chunks).length);
    assert.equal(stream.destroyed, false);
    const closed = closeOf(stream);
    client.destroy();
    await closed;
    assert.ok(wishes.multiplexed || chunks.length === 0, 'a terminal shows every byte');
  }
});

test('a terminal whose input ends is gone, when it had input', async (t) => {
  const { client, stream } = await watched(t, { ...terminal, stdin: true });
  const closed = closeOf(stream);
  client.end();
  await closed;
});

test('nobody is looked at after the watch has stopped', async (t) => {
  const { client, stream, watch } = await watched(t, { ...terminal, stdin: true });
  watch.stop();
  const ended = once(stream, 'end');
  client.end();
  await ended;
  assert.equal(stream.destroyed, false);
});
