import assert from 'node:assert/strict';
import test from 'node:test';
import { FakeContainer, fakeServices, RawClient, serve } from './_fakes.ts';

const url = '/v1.50/containers/web/attach/ws?stream=1&stdin=1&stdout=1&stderr=1';
const handshake = [
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
];
const masked = (kind: number, payload: string): Buffer => {
  const mask = [9, 8, 7, 6];
  const bytes = Buffer.from(payload, 'latin1').map((byte, at) => byte ^ (mask[at & 3] as number));
  return Buffer.concat([Buffer.from([0x80 | kind, 0x80 | payload.length, ...mask]), bytes]);
};

test('the handshake, both directions, pings, and a close by the client', async (t) => {
  const container = new FakeContainer();
  const { path } = await serve(t, fakeServices(container));
  const client = new RawClient(path).request('GET', url, handshake);
  await client.expect('\r\n\r\n');
  assert.match(client.text, /^HTTP\/1.1 101 .*\r\n(.*\r\n)*Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r\n/);
  container.stdio.print(1, 'out');
  container.stdio.print(2, 'err');
  await client.expect('\x82\x03out\x82\x03err');
  client.socket.write(Buffer.concat([masked(2, 'ty'), masked(9, '?'), masked(1, 'ped')]));
  await client.expect('\x8a\x01?');
  client.socket.write(masked(8, '\x03\xe8'));
  await container.stdio.stdinClosed.wait();
  assert.equal(container.stdio.stdin, 'typed');
  await client.expect('\x88\x02\x03\xe8');
  await client.ended;
  assert.equal(container.stdio.sinks.size, 0);
});

test('the end of the container closes, and waits for the answer', async (t) => {
  const container = new FakeContainer();
  const { path } = await serve(t, fakeServices(container));
  const client = new RawClient(path).request('GET', url, handshake);
  await client.expect('\r\n\r\n');
  container.stdio.print(1, 'last');
  container.finish(0);
  await client.expect('\x82\x04last\x88\x02\x03\xe8');
  client.socket.write(masked(8, '\x03\xe8'));
  await client.ended;
});

test('a client that breaks the protocol is told so and dropped', async (t) => {
  const container = new FakeContainer();
  const { path } = await serve(t, fakeServices(container));
  const client = new RawClient(path).request('GET', url, handshake);
  await client.expect('\r\n\r\n');
  client.send('\x82\x01x');
  await client.expect('\x88\x02\x03\xea');
  await client.ended;
});

test('old clients get frames of text and all streams; newer ones what they ask for', async (t) => {
  const container = new FakeContainer();
  const { path } = await serve(t, fakeServices(container));
  const old = new RawClient(path).request('GET', '/v1.27/containers/web/attach/ws?stream=1', handshake);
  await old.expect('\r\n\r\n');
  const picky = new RawClient(path).request('GET', '/v1.44/containers/web/attach/ws?stream=1&stderr=1', handshake);
  await picky.expect('\r\n\r\n');
  container.stdio.print(1, 'out');
  container.stdio.print(2, 'err');
  await old.expect('\x81\x03out\x81\x03err');
  await picky.expect('\x82\x03err');
  assert.ok(!picky.text.includes('out'));
  old.socket.destroy();
  picky.socket.destroy();
});

test('what is no handshake is refused before anything is taken over', async (t) => {
  const { path } = await serve(t, fakeServices(new FakeContainer()));
  const without = (name: string) => handshake.filter((line) => !line.startsWith(name));
  for (const [headers, says] of [
    [[], /Upgrade must be websocket/],
    [['Connection: Upgrade', 'Upgrade: tcp'], /Upgrade must be websocket/],
    [without('Sec-WebSocket-Version'), /Version must be 13/],
    [without('Sec-WebSocket-Key'), /Key must be 16 bytes/],
    [[...without('Sec-WebSocket-Key'), 'Sec-WebSocket-Key: short'], /Key must be 16 bytes/],
  ] as const) {
    const client = new RawClient(path).request('GET', url, headers);
    await client.expect('"}');
    assert.match(client.text, /^HTTP\/1.1 400 /);
    assert.match(client.text, says);
    client.socket.destroy();
  }
  const client = new RawClient(path).request('GET', '/containers/nope/attach/ws?stream=1', handshake);
  await client.expect('No such container: nope');
  assert.match(client.text, /^HTTP\/1.1 404 /);
  client.socket.destroy();
});
