import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { after, test } from 'node:test';
import type { ProxiedPort } from '../../spec/resolver/proxy.ts';
import { Proxies } from './proxies.ts';

const open: Server[] = [];
const allProxies: Proxies[] = [];
after(async () => {
  for (const server of open) server.close();
  for (const proxies of allProxies) await proxies.set([]);
});

function newProxies(): Proxies {
  const proxies = new Proxies();
  allProxies.push(proxies);
  return proxies;
}

/** A server on 127.0.0.1 that answers with everything it got, after the client's end. */
async function echoServer(): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    let length = 0;
    socket.on('data', (bytes) => (length += bytes.length));
    socket.on('end', () => socket.end(`got ${length}`)).on('error', () => undefined);
  });
  open.push(server.listen(0, '127.0.0.1'));
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** A port of [::1] that nobody has, most likely. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '::1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

const proxied = (hostPort: number, targetPort: number, protocol: 'tcp' | 'udp' = 'tcp'): ProxiedPort => ({
  protocol,
  hostIp: '::1',
  hostPort,
  targetIp: '127.0.0.1',
  targetPort,
  interface: 'lo',
});

async function ask(port: number, text: string): Promise<string> {
  const socket = connect({ host: '::1', port, allowHalfOpen: true });
  socket.end(text);
  let answer = '';
  for await (const chunk of socket.setEncoding('utf8')) answer += chunk;
  return answer;
}

test('a connection is copied both ways, each end by itself', async () => {
  const proxies = newProxies();
  const hostPort = await freePort();
  const port = proxied(hostPort, await echoServer());
  assert.deepEqual(await proxies.set([port]), { failures: [] });
  const large = 'x'.repeat(3 << 20);
  assert.deepEqual(await Promise.all([ask(hostPort, 'abc'), ask(hostPort, large)]), ['got 3', `got ${large.length}`]);
  await proxies.set([]);
  await assert.rejects(ask(hostPort, 'abc'), { code: 'ECONNREFUSED' });
});

test('some ports come and go, the others stay', async () => {
  const proxies = newProxies();
  const target = await echoServer();
  const [first, second] = [proxied(await freePort(), target), proxied(await freePort(), target)];
  await proxies.set([first]);
  assert.deepEqual(await proxies.change({ remove: [], add: [second, first] }), { failures: [] });
  assert.deepEqual(proxies.ports, [first, second]);
  for (const { hostPort } of [first, second]) assert.equal(await ask(hostPort, 'abc'), 'got 3');
  await proxies.change({ remove: [first, first], add: [] });
  await assert.rejects(ask(first.hostPort, 'abc'), { code: 'ECONNREFUSED' });
  assert.equal(await ask(second.hostPort, 'abc'), 'got 3');
  await proxies.set([]);
});

test('a target that refuses resets the client', async () => {
  const proxies = newProxies();
  const [hostPort, nobody] = [await freePort(), await freePort()];
  await proxies.set([proxied(hostPort, nobody)]);
  await assert.rejects(ask(hostPort, 'abc'), { code: 'ECONNRESET' });
  await proxies.set([]);
});

test('a port that is taken is named, the others are served', async () => {
  const proxies = newProxies();
  const [taken, free, target] = [await freePort(), await freePort(), await echoServer()];
  const other = createServer().listen(taken, '::1');
  await once(other, 'listening');
  const { failures } = await proxies.set([proxied(taken, target), proxied(free, target)]);
  assert.deepEqual(
    failures.map(({ port }) => port.hostPort),
    [taken],
  );
  assert.match(failures[0]?.reason ?? '', /EADDRINUSE/);
  assert.equal(await ask(free, 'a'), 'got 1');
  other.close();
  await proxies.set([]);
});

test('answers to datagrams go back to who asked, by way of the next target too', async () => {
  const proxies = newProxies();
  const hostPort = await freePort();
  const targets = ['first', 'second'].map((name) => {
    const socket = createSocket('udp4');
    socket.on('message', (bytes, from) => socket.send(`${name} ${bytes.toString()}`, from.port, from.address));
    return socket.bind(0, '127.0.0.1');
  });
  const clients = [createSocket('udp6'), createSocket('udp6')];
  for (const [at, target] of targets.entries()) {
    if (at === 0) await Promise.all(targets.map((socket) => once(socket, 'listening')));
    await proxies.set([proxied(hostPort, target.address().port, 'udp')]);
    const answers = clients.map(async (client, index) => {
      const answer = once(client, 'message');
      client.send(`client ${index}`, hostPort, '::1');
      return String((await answer)[0]);
    });
    const name = at === 0 ? 'first' : 'second';
    assert.deepEqual(await Promise.all(answers), [`${name} client 0`, `${name} client 1`]);
  }
  await proxies.set([]);
  for (const socket of [...targets, ...clients]) socket.close();
});
