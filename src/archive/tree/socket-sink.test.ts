import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { closeFd, openFd } from '../../sys/ffi/descriptor.ts';
import { duplicate } from '../../sys/socket/stream-fd.ts';
import { SocketSink } from './socket-sink.ts';

const base = mkdtempSync(join(tmpdir(), 'sink-'));
after(() => rmSync(base, { recursive: true }));

async function connected(): Promise<{ fd: number; reader: net.Socket; writer: net.Socket; server: net.Server }> {
  const path = join(base, `socket-${process.hrtime.bigint()}`);
  const server = net.createServer().listen(path);
  await once(server, 'listening');
  const reader = net.connect(path);
  const [writer] = (await once(server, 'connection')) as [net.Socket & { _handle: { fd: number } }];
  return { fd: duplicate(writer._handle.fd), reader, writer, server };
}

test('what is written and a file come out as chunks of a body', async () => {
  const { fd, reader, writer, server } = await connected();
  const path = join(base, 'file');
  writeFileSync(path, 'f'.repeat(70_000));
  const file = openFd(path, 0);
  const sink = new SocketSink(fd, () => undefined);
  sink.write(Buffer.from('head'));
  // Ten bytes more than the file has: those are zeros.
  assert.equal(sink.sendFile(file, 70_010), true);
  assert.equal(sink.sendFile(file, 10), false, 'small files are better copied');
  sink.write(Buffer.from('tail'));
  sink.flush();
  for (const one of [fd, file]) closeFd(one);
  writer.end();
  const parts: Buffer[] = [];
  for await (const part of reader) parts.push(part as Buffer);
  const size = (70_010).toString(16);
  const expected = `4\r\nhead\r\n${size}\r\n${'f'.repeat(70_000)}${'\0'.repeat(10)}\r\n4\r\ntail\r\n`;
  assert.ok(Buffer.concat(parts).toString('latin1') === expected);
  await new Promise((resolve) => server.close(resolve));
});

test('a reader that is gone, and one that is given up, end it', async () => {
  const { fd, reader, writer, server } = await connected();
  const sink = new SocketSink(fd, () => {
    throw new Error('given up');
  });
  assert.throws(() => {
    for (;;) sink.write(Buffer.alloc(1 << 20));
  }, /given up/);
  reader.destroy();
  writer.destroy();
  await once(writer, 'close');
  assert.throws(() => {
    for (;;) sink.write(Buffer.alloc(1 << 20));
  }, /EPIPE|ECONNRESET/);
  closeFd(fd);
  await new Promise((resolve) => server.close(resolve));
});
