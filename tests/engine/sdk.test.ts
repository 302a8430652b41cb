import assert from 'node:assert/strict';
import { Agent } from 'node:http';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import Docker from 'dockerode';
import { testImage } from '../support/images.ts';
import { engineSuite } from '../support/suite.ts';

const { name: Image } = await testImage('busybox');

engineSuite('the engine through dockerode', {}, (engine) => {
  // Without kept connections: the check for leaks would wait for the engine to give them up.
  const agent = new Agent({ keepAlive: false });
  const client = (): Docker => new Docker({ socketPath: engine().paths.socket, agent });

  test('create, attach, start, wait, logs, inspect, remove', async () => {
    const container = await client().createContainer({
      Image,
      Cmd: ['sh', '-c', 'cat; echo to-stderr >&2; exit 4'],
      Labels: { 'a.label': 'set' },
      OpenStdin: true,
      StdinOnce: true,
      AttachStdin: true,
      AttachStdout: true,
      AttachStderr: true,
    });
    const stream = await container.attach({ stream: true, stdin: true, stdout: true, stderr: true, hijack: true });
    const [out, err] = [new PassThrough(), new PassThrough()];
    container.modem.demuxStream(stream, out, err);
    stream.on('end', () => [out, err].forEach((side) => side.end()));
    await container.start();
    const ended = container.wait();
    stream.end('through the hijacked connection');
    assert.deepEqual(await Promise.all([text(out), text(err)]), ['through the hijacked connection', 'to-stderr\n']);
    assert.equal((await ended).StatusCode, 4);
    const { State, Config } = await container.inspect();
    assert.deepEqual([State.Status, State.ExitCode, Config.Labels['a.label']], ['exited', 4, 'set']);
    assert.match(String(await container.logs({ stdout: true })), /through the hijacked connection/);
    await container.remove();
    assert.deepEqual(await client().listContainers({ all: true }), []);
  });

  test('exec with its exit code', async () => {
    const container = await client().createContainer({ Image, Cmd: ['sleep', '1000'] });
    await container.start();
    const exec = await container.exec({ Cmd: ['sh', '-c', 'echo inside; exit 9'], AttachStdout: true });
    const stream = await exec.start({ hijack: true });
    const out = new PassThrough();
    container.modem.demuxStream(stream, out, out);
    stream.on('end', () => out.end());
    assert.equal(await text(out), 'inside\n');
    assert.deepEqual((await exec.inspect()).ExitCode, 9);
    await container.stop({ t: 0 });
  });

  test('volumes', async () => {
    await client().createVolume({ Name: 'kept', Labels: { of: 'tests' } });
    const volume = client().getVolume('kept');
    assert.match((await volume.inspect()).Mountpoint, /\/volumes\/kept\/_data$/);
    await volume.remove();
    await assert.rejects(volume.inspect(), /no such volume/);
  });

  test('ping and version', async () => {
    assert.equal(String(await client().ping()), 'OK');
    assert.equal((await client().version()).ApiVersion, '1.55');
  });
});
