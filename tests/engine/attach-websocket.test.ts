import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import { isOracle } from '../support/engine.ts';
import { engineSuite } from '../support/suite.ts';
import { eventually } from '../support/wait.ts';
import { busybox, dockerOf } from './_docker.ts';

engineSuite('attach over a websocket', {}, (engine) => {
  const docker = dockerOf(engine);

  /** Node's own client, which knows TCP only, by way of a port of this host. */
  async function open(path: string) {
    const server = net.createServer((client) => {
      const upstream = net.connect({ path: engine().paths.socket, allowHalfOpen: true });
      client.pipe(upstream).pipe(client);
      for (const socket of [client, upstream]) socket.on('error', () => undefined);
      upstream.once('close', () => client.destroy());
      client.once('close', () => upstream.destroy());
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as net.AddressInfo;
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`);
    socket.binaryType = 'arraybuffer';
    let text = '';
    const kinds = new Set<string>();
    socket.addEventListener('message', ({ data }: MessageEvent) => {
      kinds.add(typeof data);
      text += typeof data === 'string' ? data : Buffer.from(data as ArrayBuffer).toString();
    });
    const closed = new Promise<number>((resolve) => socket.addEventListener('close', ({ code }) => resolve(code)));
    const opened = new Promise<boolean>((resolve) => {
      socket.addEventListener('open', () => resolve(true));
      socket.addEventListener('error', () => resolve(false));
    });
    return {
      opened,
      closed,
      kinds,
      send: (data: string) => socket.send(Buffer.from(data)),
      close: () => socket.close(),
      says: (wanted: string) => eventually(`it says ${wanted}, not ${text}`, () => text.includes(wanted)),
      [Symbol.dispose]: () => {
        socket.close();
        server.close();
      },
    };
  }

  test('stdin, stdout and stderr of a running container, and its end', async () => {
    await docker.ok(
      'run',
      '-di',
      '--name',
      'echo',
      busybox,
      'sh',
      '-c',
      'while read x; do echo "<$x>"; echo "($x)" >&2; [ $x = end ] && exit; done',
    );
    using client = await open('/v1.44/containers/echo/attach/ws?stream=1&stdin=1&stdout=1&stderr=1');
    assert.ok(await client.opened);
    client.send('hello\n');
    await client.says('<hello>\n');
    await client.says('(hello)\n');
    assert.deepEqual([...client.kinds], ['object']);
    client.send('end\n');
    await client.says('<end>\n');
    await client.closed;
    await docker.becomes('echo', '{{.State.Status}}', 'exited');
  });

  test('a client that closes leaves the container running; logs come before what is new', async () => {
    await docker.ok('run', '-d', '--name', 'talker', busybox, 'sh', '-c', 'echo first; sleep 1000');
    await eventually('it has spoken', async () => (await docker.ok('logs', 'talker')) === 'first');
    using client = await open('/v1.44/containers/talker/attach/ws?logs=1&stream=1&stdout=1');
    assert.ok(await client.opened);
    await client.says('first\n');
    client.close();
    // Docker does not answer until there is something to say.
    if (!isOracle()) await client.closed;
    assert.equal(await docker.field('talker', '{{.State.Status}}'), 'running');
    using old = await open('/v1.27/containers/talker/attach/ws?logs=1&stream=1');
    assert.ok(await old.opened);
    await old.says('first\n');
    assert.deepEqual([...old.kinds], ['string']);
  });

  test('refusals are ordinary answers', async () => {
    using missing = await open('/v1.44/containers/nobody/attach/ws?stream=1');
    assert.equal(await missing.opened, false);
    await docker.ok('run', '-d', '--name', 'held', busybox, 'sleep', '1000');
    await docker.ok('pause', 'held');
    using held = await open('/v1.44/containers/held/attach/ws?stream=1&stdout=1');
    assert.equal(await held.opened, false);
    await docker.ok('unpause', 'held');
  });
});
