import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { withBuildx } from '../support/buildx.ts';
import { isOracle, type TestEngine } from '../support/engine.ts';
import { engineSuite } from '../support/suite.ts';
import { dockerOf } from './_docker.ts';

engineSuite('the protocol of builds', { prepare: withBuildx }, (engine) => {
  const docker = dockerOf(engine);

  test('buildx finds a builder that runs', async () => {
    const [line] = (await docker.ok('buildx', 'ls', '--format', '{{.Name}} {{.DriverEndpoint}} {{.Status}}')).split(
      '\n',
    );
    assert.equal(line, 'default docker ');
    const shown = await docker.ok('buildx', 'inspect');
    assert.match(shown, /^Driver: docker$/m);
    assert.match(shown, /^Status:\s+running$/m);
    assert.match(shown, /^Platforms:\s+linux\/(amd64|arm64)/m);
  });

  test('what the builder keeps is listed and deleted', async () => {
    assert.match(await docker.ok('buildx', 'prune', '--force'), /^Total:\s+0B$/m);
    assert.match(await docker.ok('buildx', 'du'), /^Total:\s+0B$/m);
  });

  test('what is no upgrade to HTTP/2 is refused, and the engine goes on', async () => {
    const head = (path: string, more: string): string => `POST ${path} HTTP/1.1\r\nHost: x\r\n${more}\r\n`;
    const upgrade = 'Connection: Upgrade\r\nUpgrade: ';
    assert.match(
      await raw(engine(), head('/grpc', 'Content-Length: 0\r\n')),
      /^HTTP\/1\.1 [45]\d\d .*no upgrade proto/s,
    );
    assert.match(
      await raw(engine(), head('/session', `${upgrade}websocket\r\nX-Docker-Expose-Session-Uuid: a\r\n`)),
      /^HTTP\/1\.1 [45]\d\d .*protocol websocket not supported/s,
    );
    assert.equal((await engine().api('GET', '/_ping')).status, 200);
  });

  test('whatever comes after the upgrade, the engine goes on', async () => {
    const head = 'POST /grpc HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n';
    const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
    for (const rest of ['GET / HTTP/1.1\r\n\r\n', preface + '\0'.repeat(100), preface + '\xff'.repeat(5000), '\0']) {
      assert.match(await raw(engine(), head + rest), /^HTTP\/1\.1 101 /);
    }
    assert.equal((await engine().api('GET', '/_ping')).status, 200);
    assert.match(await docker.ok('buildx', 'inspect'), /^Status:\s+running$/m);
  });

  test('a session needs a name', { skip: isOracle() && 'dockerd takes one without' }, async () => {
    const head = 'POST /session HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n';
    assert.match(await raw(engine(), head), /^HTTP\/1\.1 400 .*a session needs an id/s);
  });
});

/** Sends these bytes to the engine, ends, and gives all that comes back. */
function raw(engine: TestEngine, bytes: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let text = '';
  const socket = connect(engine.paths.socket, () => socket.end(bytes, 'latin1'));
  socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk));
  socket.on('error', () => undefined);
  socket.on('close', () => resolve(text));
  return promise;
}
