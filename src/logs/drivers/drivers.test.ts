import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test, type TestContext } from 'node:test';
import { gunzipSync, inflateSync } from 'node:zlib';
import { driverContext, message, sendAll, testContainer } from './_fixture.ts';
import { fluentdDriver } from './fluentd.ts';
import { gelfChunks, gelfDriver } from './gelf.ts';
import { packMap, packString, unpackStringMap } from './msgpack.ts';
import { syslogDriver } from './syslog.ts';

process.env['TZ'] = 'UTC';
const folder = mkdtempSync(join(tmpdir(), 'drivers-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** A UDP server on loopback and the datagrams that it got. */
async function udpServer(t: TestContext): Promise<{ port: number; next: () => Promise<Buffer> }> {
  const server = createSocket('udp4');
  t.after(() => server.close());
  const got: Buffer[] = [];
  let wake: (() => void) | undefined;
  server.on('message', (bytes) => {
    got.push(bytes);
    wake?.();
  });
  server.bind(0, '127.0.0.1');
  await once(server, 'listening');
  const next = async (): Promise<Buffer> => {
    while (got.length === 0) await new Promise<void>((resolve) => (wake = resolve));
    return got.shift() as Buffer;
  };
  return { port: server.address().port, next };
}

/** A TCP or unix server that collects what comes, and answers as `onData` says. */
async function streamServer(
  t: TestContext,
  path?: string,
  onData: (bytes: Buffer, socket: Socket) => void = () => undefined,
) {
  const sockets = new Set<Socket>();
  let text: Buffer = Buffer.alloc(0);
  let wake: (() => void) | undefined;
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', (bytes: Buffer) => {
      text = Buffer.concat([text, bytes]);
      onData(bytes, socket);
      wake?.();
    });
  });
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  if (path === undefined) server.listen(0, '127.0.0.1');
  else server.listen(path);
  await once(server, 'listening');
  return {
    port: path === undefined ? (server.address() as AddressInfo).port : 0,
    sockets,
    received: () => text,
    async until(isThere: (bytes: Buffer) => boolean): Promise<Buffer> {
      while (!isThere(text)) await new Promise<void>((resolve) => (wake = resolve));
      return text;
    },
  };
}

test('syslog over UDP: the three formats and the default one, severities, no empty lines', async (t) => {
  const { port, next } = await udpServer(t);
  const address = { 'syslog-address': `udp://127.0.0.1:${port}`, tag: '{{.Name}}' };
  for (const [options, expected] of [
    [{}, '<30>Nov 23 02:18:20 web[42]: hello\n'],
    [{ 'syslog-format': 'rfc3164', 'syslog-facility': 'local0' }, '<134>Nov 23 02:18:20 host web[42]: hello\n'],
    [{ 'syslog-format': 'rfc5424' }, '<30>1 2026-11-23T02:18:20Z host web 42 web - hello\n'],
    [{ 'syslog-format': 'rfc5424micro' }, '<30>1 2026-11-23T02:18:20.263048Z host web 42 web - hello\n'],
  ] as [Record<string, string>, string][]) {
    const driver = syslogDriver(driverContext('syslog', { ...address, ...options }));
    assert.equal(await sendAll(driver, [message(''), message('hello')]), 2);
    assert.equal(String(await next()), expected);
    driver.close();
  }
  const driver = syslogDriver(driverContext('syslog', address));
  await sendAll(driver, [message('bad', { stream: 'stderr' })]);
  assert.match(String(await next()), /^<27>/);
  driver.close();
});

test('syslog over TCP and a unix stream; a broken connection is made anew', async (t) => {
  const path = join(folder, 'syslog.sock');
  for (const server of [await streamServer(t), await streamServer(t, path)]) {
    const address = server.port === 0 ? `unix://${path}` : `tcp://127.0.0.1:${server.port}`;
    const driver = syslogDriver(driverContext('syslog', { 'syslog-address': address }));
    await sendAll(driver, [message('one'), message('two')]);
    await server.until((text) => text.includes('two\n'));
    const [socket] = server.sockets;
    socket?.destroy();
    await eventuallySent(() => sendAll(driver, [message('three')]));
    await server.until((text) => text.includes('three\n'));
    driver.close();
  }
});

/** The first write after the other side went may still be taken by the kernel. */
async function eventuallySent(send: () => Promise<unknown>): Promise<void> {
  for (let attempt = 0; attempt < 3; attempt++) await send().catch(() => undefined);
}

test('a backend that is not there is an error, and the next attempt may succeed', async (t) => {
  const path = join(folder, 'late.sock');
  const driver = syslogDriver(driverContext('syslog', { 'syslog-address': `unix://${path}` }));
  await assert.rejects(sendAll(driver, [message('early')]), { code: 'ENOENT' });
  const server = await streamServer(t, path);
  assert.equal(await sendAll(driver, [message('late')]), 1);
  await server.until((text) => text.includes('late\n'));
  driver.close();
});

test('gelf over UDP: compressed, with fields for labels and variables, in chunks', async (t) => {
  const { port, next } = await udpServer(t);
  const address = `udp://127.0.0.1:${port}`;
  const open = (more: Record<string, string>) =>
    gelfDriver(driverContext('gelf', { 'gelf-address': address, labels: 'team', env: 'TIER', ...more }));
  const expected = {
    version: '1.1',
    host: 'host',
    short_message: 'hello',
    timestamp: 1_795_400_300.263,
    level: 6,
    _container_id: testContainer.id,
    _container_name: 'web',
    _image_id: testContainer.imageId,
    _image_name: 'busybox:latest',
    _command: 'sh -c true',
    _tag: testContainer.id.slice(0, 12),
    _created: '2023-11-14T22:13:20Z',
    _team: 'red',
    _TIER: 'front',
  };
  const gzip = open({});
  await sendAll(gzip, [message('hello')]);
  assert.deepEqual(JSON.parse(String(gunzipSync(await next()))), expected);
  const zlib = open({ 'gelf-compression-type': 'zlib', 'gelf-compression-level': '9' });
  await sendAll(zlib, [message('hello')]);
  assert.deepEqual(JSON.parse(String(inflateSync(await next()))), expected);
  const none = open({ 'gelf-compression-type': 'none' });
  const long = 'x'.repeat(5000);
  await sendAll(none, [message(long, { stream: 'stderr' })]);
  const chunks: Buffer[] = [await next()];
  const count = chunks[0]?.[11] ?? 0;
  while (chunks.length < count) chunks.push(await next());
  assert.deepEqual([...(chunks[0]?.subarray(0, 2) ?? [])], [0x1e, 0x0f]);
  const ids = new Set(chunks.map((chunk) => chunk.toString('hex', 2, 10)));
  assert.equal(ids.size, 1);
  const sorted = chunks.toSorted((a, b) => (a[10] ?? 0) - (b[10] ?? 0));
  const whole = JSON.parse(String(Buffer.concat(sorted.map((chunk) => chunk.subarray(12))))) as Record<string, unknown>;
  assert.deepEqual(whole, { ...expected, short_message: long, level: 3 });
  assert.equal(gelfChunks(Buffer.alloc(200_000)).length, 0);
  for (const driver of [gzip, zlib, none]) driver.close();
});

test('gelf over TCP ends each message with a NUL', async (t) => {
  const server = await streamServer(t);
  const driver = gelfDriver(driverContext('gelf', { 'gelf-address': `tcp://127.0.0.1:${server.port}` }));
  await sendAll(driver, [message('one'), message('two')]);
  const text = String(await server.until((bytes) => bytes.filter((byte) => byte === 0).length === 2));
  const messages = text
    .split('\0')
    .slice(0, 2)
    .map((json) => (JSON.parse(json) as { short_message: string }).short_message);
  assert.deepEqual(messages, ['one', 'two']);
  driver.close();
});

test('fluentd: forward protocol, times in seconds or nanoseconds, parts', async (t) => {
  const server = await streamServer(t);
  const options = { 'fluentd-address': `127.0.0.1:${server.port}`, tag: 'app.{{.Name}}' };
  const driver = fluentdDriver(driverContext('fluentd', options));
  await sendAll(driver, [message('hello', { part: { id: 'p', ordinal: 2, last: true } })]);
  const fields = packMap([
    ['container_id', testContainer.id],
    ['container_name', '/web'],
    ['source', 'stdout'],
    ['log', 'hello'],
    ['partial_message', 'true'],
    ['partial_id', 'p'],
    ['partial_ordinal', '2'],
    ['partial_last', 'true'],
  ]);
  const seconds = Buffer.from([0xce, 0x6b, 0x03, 0x5a, 0x6c]);
  seconds.writeUInt32BE(1_795_400_300, 1);
  const wanted = Buffer.concat([Buffer.from([0x94]), packString('app.web'), seconds, fields, Buffer.from([0x80])]);
  assert.deepEqual(await server.until((bytes) => bytes.length >= wanted.length), wanted);
  driver.close();
  const precise = fluentdDriver(driverContext('fluentd', { ...options, 'fluentd-sub-second-precision': 'true' }));
  await sendAll(precise, [message('x')]);
  const bytes = (await server.until((all) => all.length > wanted.length + 100)).subarray(wanted.length);
  const at = 1 + packString('app.web').length;
  assert.deepEqual(
    [bytes[at], bytes[at + 1], bytes.readUInt32BE(at + 2), bytes.readUInt32BE(at + 6)],
    [0xd7, 0, 1_795_400_300, 263_048_793],
  );
  precise.close();
});

test('fluentd with acknowledgements: only what was acknowledged is out', async (t) => {
  let acknowledge = 1;
  const server = await streamServer(t, undefined, (bytes, socket) => {
    for (const chunk of chunksIn(bytes)) {
      if (acknowledge-- > 0) socket.write(packMap([['ack', chunk]]));
      else socket.destroy();
    }
  });
  const options = {
    'fluentd-address': `tcp://127.0.0.1:${server.port}`,
    'fluentd-request-ack': 'true',
    'fluentd-retry-wait': '1ms',
  };
  const driver = fluentdDriver(driverContext('fluentd', options));
  let out = 0;
  const messages = [message('one'), message('two')];
  await assert.rejects(driver.send(messages, (count) => (out = count), AbortSignal.timeout(10_000)));
  assert.equal(out, 1);
  acknowledge = 10;
  assert.equal(await sendAll(driver, messages.slice(1)), 1);
  driver.close();
});

/** The values of `chunk` in packed messages. */
function chunksIn(bytes: Buffer): string[] {
  const found: string[] = [];
  const key = packString('chunk');
  for (let at = bytes.indexOf(key); at >= 0; at = bytes.indexOf(key, at + 1)) {
    const start = at + key.length;
    found.push(bytes.toString('latin1', start + 1, start + 1 + ((bytes[start] ?? 0) & 0x1f)));
  }
  return found;
}

test('answers of MessagePack in pieces, and such that are none', () => {
  const whole = packMap([['ack', 'x'.repeat(300)]]);
  for (let length = 0; length < whole.length; length++)
    assert.equal(unpackStringMap(whole.subarray(0, length)), undefined);
  assert.equal(unpackStringMap(whole)?.map.get('ack')?.length, 300);
  assert.throws(() => unpackStringMap(Buffer.from('HTTP/1.1 400')));
  assert.throws(() => unpackStringMap(Buffer.from([0x81, 0xc0, 0xc0])));
});
