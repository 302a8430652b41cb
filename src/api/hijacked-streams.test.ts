import assert from 'node:assert/strict';
import { once } from 'node:events';
import test from 'node:test';
import { FakeContainer, fakeServices, RawClient, serve } from './_fakes.ts';

const upgrade = ['Connection: Upgrade', 'Upgrade: tcp'];
const attachUrl = '/v1.50/containers/web/attach?stream=1&stdin=1&stdout=1&stderr=1';
const frame = (stream: 1 | 2, text: string): string =>
  `${String.fromCharCode(stream)}\0\0\0\0\0\0${String.fromCharCode(text.length)}${text}`;

test('an upgraded attach: frames out, stdin in, and the end of stdin is not the end of the connection', async (t) => {
  const container = new FakeContainer();
  const { path } = await serve(t, fakeServices(container));
  const client = new RawClient(path).request('POST', attachUrl, upgrade);
  await client.expect('\r\n\r\n');
  assert.match(client.text, /^HTTP\/1.1 101 UPGRADED\r\nContent-Type: application\/vnd.docker.multiplexed-stream\r\n/);
  client.send('typed');
  client.socket.end();
  await container.stdio.stdinClosed.wait();
  assert.equal(container.stdio.stdin, 'typed');
  container.stdio.print(1, 'out');
  container.stdio.print(2, 'err');
  container.finish(0);
  await client.ended;
  assert.ok(client.text.endsWith(frame(1, 'out') + frame(2, 'err')));
  assert.equal(container.stdio.sinks.size, 0);
});

test('stdin that comes together with the request is not lost', async (t) => {
  const container = new FakeContainer();
  const { path } = await serve(t, fakeServices(container));
  new RawClient(path)
    .send(`POST ${attachUrl} HTTP/1.1\r\nHost: x\r\n${upgrade.join('\r\n')}\r\n\r\nearly`)
    .socket.end('late');
  await container.stdio.stdinClosed.wait();
  assert.equal(container.stdio.stdin, 'earlylate');
});

test('without an upgrade the connection is taken over behind a plain 200', async (t) => {
  const container = new FakeContainer();
  const { path } = await serve(t, fakeServices(container));
  const client = new RawClient(path).request('POST', attachUrl, ['Content-Length: 0']);
  await client.expect('\r\n\r\n');
  assert.match(client.text, /^HTTP\/1.1 200 OK\r\nContent-Type: application\/vnd.docker.multiplexed-stream\r\n/);
  assert.doesNotMatch(client.text, /chunked/);
  client.send('GET /no/request HTTP/1.1\r\n\r\n');
  container.stdio.print(1, 'out');
  await client.expect(frame(1, 'out'));
  client.socket.end();
  await container.stdio.stdinClosed.wait();
  assert.equal(container.stdio.stdin, 'GET /no/request HTTP/1.1\r\n\r\n');
  container.finish(0);
  await client.ended;
});

test('errors before the takeover are ordinary answers, upgraded or not', async (t) => {
  const { path } = await serve(t, fakeServices(new FakeContainer()));
  for (const headers of [upgrade, []]) {
    const client = new RawClient(path).request('POST', '/containers/nope/attach?stream=1', headers);
    await client.expect('{"message":"No such container: nope"}');
    assert.match(client.text, /^HTTP\/1.1 404 /);
    client.socket.destroy();
  }
  const keys = new RawClient(path).request('POST', '/containers/web/attach?detachKeys=ctrl-%C3%A4', upgrade);
  await keys.expect('Invalid escape keys');
  await keys.ended;
});

test('a terminal is raw, and its detach keys leave the container running', async (t) => {
  const container = new FakeContainer();
  container.tty = true;
  const { path } = await serve(t, fakeServices(container));
  const client = new RawClient(path).request('POST', attachUrl, upgrade);
  await client.expect('\r\n\r\n');
  assert.match(client.text, /application\/vnd.docker.raw-stream/);
  container.stdio.print(1, 'prompt$ ');
  await client.expect('prompt$ ');
  client.send('a\x10b\x10\x11ignored');
  await client.ended;
  assert.equal(container.stdio.stdin, 'a\x10b');
  assert.deepEqual(container.calls, ['detached']);
  assert.equal(container.stdio.stdinClosed.isSet, false);
  assert.equal(container.exit.isSet, false);
  assert.equal(container.stdio.sinks.size, 0);
});

test('a client that goes away is forgotten, and stdin stays open for the next one', async (t) => {
  const container = new FakeContainer();
  const { path } = await serve(t, fakeServices(container));
  const client = new RawClient(path).request('POST', attachUrl, upgrade);
  await client.expect('\r\n\r\n');
  assert.equal(container.stdio.sinks.size, 1);
  client.socket.destroy();
  while (container.stdio.sinks.size > 0) {
    container.stdio.print(1, 'x');
    await new Promise(setImmediate);
  }
});

test('stdin goes no faster than the process takes it', async (t) => {
  const container = new FakeContainer();
  const { path } = await serve(t, fakeServices(container));
  const gate = Promise.withResolvers<void>();
  container.stdio.onStdin = () => gate.promise;
  const client = new RawClient(path).request('POST', attachUrl, upgrade);
  await client.expect('\r\n\r\n');
  const total = 8 * 1024 * 1024;
  const sent = new Promise((resolve) => client.socket.write(Buffer.alloc(total, 'z'), resolve));
  const first = await Promise.race([
    sent.then(() => 'all sent'),
    once(client.socket, 'drain').then(() => 'drain'),
    immediateTurns(200),
  ]);
  assert.equal(first, 'waited');
  assert.ok(container.stdio.stdin.length <= 1024 * 1024);
  gate.resolve();
  client.socket.end();
  await container.stdio.stdinClosed.wait();
  assert.equal(container.stdio.stdin.length, total);
});

async function immediateTurns(count: number): Promise<string> {
  for (let turn = 0; turn < count; turn++) await new Promise(setImmediate);
  return 'waited';
}

test('a client that takes nothing is asked to be waited for, then dropped; the others see everything', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const container = new FakeContainer();
  const { path } = await serve(t, fakeServices(container));
  const stalled = new RawClient(path).request('POST', attachUrl, upgrade);
  await stalled.expect('\r\n\r\n');
  stalled.socket.pause();
  const [sink] = container.stdio.sinks;
  assert.ok(sink);
  assert.equal(sink.pace?.(), undefined);
  const chunk = Buffer.alloc(256 * 1024, 'x');
  let pace: Promise<void> | undefined;
  for (let count = 0; pace === undefined && count < 60; count++) {
    container.stdio.print(1, chunk);
    await new Promise(setImmediate);
    pace = sink.pace?.();
    if (count < 30) assert.equal(pace, undefined, 'some megabytes wait in memory first');
  }
  assert.ok(pace);
  t.mock.timers.tick(5001);
  t.mock.timers.tick(5001);
  await pace;
  while (container.stdio.sinks.size > 0) await new Promise(setImmediate);
});

test('a client that pauses longer than its container runs still gets everything', async (t) => {
  const container = new FakeContainer();
  const { path } = await serve(t, fakeServices(container));
  const client = new RawClient(path).request('POST', attachUrl, upgrade);
  await client.expect('\r\n\r\n');
  client.socket.pause();
  for (let count = 0; count < 16; count++) container.stdio.print(1, Buffer.alloc(256 * 1024, 'x'));
  container.finish(0);
  t.mock.timers.enable({ apis: ['setTimeout'] });
  await immediateTurns(50);
  t.mock.timers.tick(60_000);
  let received = 0;
  client.socket.on('data', (chunk) => (received += chunk.length));
  client.socket.resume();
  await client.ended;
  assert.equal(received, 16 * (8 + 256 * 1024));
});

test('exec: headers, body and stdin may come in packets of their own, or not', async (t) => {
  const whole =
    'POST /exec/e1/start HTTP/1.1|Host: x|Connection: Upgrade|Upgrade: tcp|Content-Type: application/json|Content-Length: 17||{"Detach": false}typed';
  const text = whole.replaceAll('|', '\r\n');
  for (const cuts of [
    [],
    [40],
    [text.indexOf('{')],
    [text.indexOf('{') + 5],
    [text.indexOf('typed')],
    [60, text.indexOf('{') + 3, text.length - 3],
  ]) {
    const container = new FakeContainer();
    container.run = () => undefined;
    const { path } = await serve(t, fakeServices(container));
    const client = new RawClient(path);
    for (const [index, cut] of [...cuts, text.length].entries()) {
      client.send(text.slice(index === 0 ? 0 : cuts[index - 1], cut));
      for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
    }
    client.socket.end();
    await container.stdio.stdinClosed.wait();
    assert.equal(container.stdio.stdin, 'typed', `cut at ${cuts.join()}`);
    container.stdio.print(1, 'done');
    container.finish(0);
    await client.ended;
    assert.ok(client.text.endsWith(frame(1, 'done')));
  }
});

test('a takeover waits for earlier answers; an upgrade that does not wait for them is refused', async (t) => {
  const container = new FakeContainer();
  container.logEntries = [{ stream: 1, time: '', bytes: Buffer.alloc(1024 * 1024, 'x') }];
  const { path } = await serve(t, fakeServices(container));
  const polite = new RawClient(path).request('GET', '/containers/web/logs?stdout=1');
  await polite.expect('\r\n0\r\n\r\n');
  polite.request('POST', attachUrl, upgrade);
  await polite.expect('101 UPGRADED');
  const plain = new RawClient(path).request('GET', '/containers/web/logs?stdout=1');
  plain.request('POST', attachUrl);
  await plain.expect('HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\nApi');
  const hasty = new RawClient(path).request('GET', '/containers/web/logs?stdout=1');
  hasty.request('POST', attachUrl, upgrade);
  await hasty.ended;
  assert.doesNotMatch(hasty.text, /UPGRADED/);
  container.finish(0);
  await Promise.all([polite.ended, plain.ended]);
});

test('exec: the body comes before stdin, whatever the packets; errors go where the output would go', async (t) => {
  const container = new FakeContainer();
  container.run = () => undefined;
  const { path } = await serve(t, fakeServices(container));
  const client = new RawClient(path).request(
    'POST',
    '/exec/e1/start',
    upgrade.concat('Content-Type: application/json'),
    '{"Detach":false}',
  );
  client.send('stdin');
  client.socket.end();
  await container.stdio.stdinClosed.wait();
  assert.equal(container.stdio.stdin, 'stdin');
  container.stdio.print(1, 'done');
  container.finish(0);
  await client.ended;
  assert.ok(client.text.endsWith(frame(1, 'done')));

  container.run = () => {
    throw new Error('exec failed: no such file');
  };
  const failing = new RawClient(path).request(
    'POST',
    '/exec/e1/start',
    upgrade.concat('Content-Type: application/json'),
    '{"Tty":true}',
  );
  await failing.ended;
  assert.match(failing.text, /^HTTP\/1.1 101 [^]*\r\n\r\nexec failed: no such file\r\n$/);

  container.run = () => undefined;
  const detached = new RawClient(path).request(
    'POST',
    '/exec/e1/start',
    ['Content-Type: application/json'],
    '{"Detach":true}',
  );
  await detached.expect('\r\n\r\n');
  assert.match(detached.text, /^HTTP\/1.1 200 OK\r\n/);
  detached.socket.destroy();
});
