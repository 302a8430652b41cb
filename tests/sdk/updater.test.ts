/** A program in a container that uses the engine's socket to keep the other containers up to date. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { busyboxLayer, layerOf, ociBlobs } from '../support/crafted-image.ts';
import { testImage } from '../support/images.ts';
import { type Registry, startRegistry } from '../support/registry.ts';
import { engineSuite } from '../support/suite.ts';

const { name: node } = await testImage('node');

/** Puts an image with this greeting there, under the tag that moves. */
async function publish(registry: Registry, greeting: string): Promise<void> {
  const layers = [await busyboxLayer(), layerOf({ name: 'greeting', body: greeting })];
  const { manifest, blobs } = ociBlobs({ layers });
  await registry.put('app', 'latest', manifest, blobs.slice(0, -1));
}

engineSuite('a container that updates others', { images: ['busybox', 'node'] }, (engine) => {
  const docker = (...words: string[]) => engine().dockerOk(words);
  const update = () => {
    const socket = `${engine().paths.socket}:/var/run/docker.sock`;
    const program = `${join(import.meta.dirname, '_updater.cjs')}:/updater.cjs:ro`;
    return docker('run', '--rm', '--user=0', '-v', socket, '-v', program, node, 'node', '/updater.cjs');
  };

  test('a moved tag gives a new container with the same settings, name and volume', async () => {
    await using registry = await startRegistry(engine().namespaces);
    await publish(registry, 'first');
    const flags = ['--label=update=yes', '-e', 'KEY=value', '-p', '127.0.0.1:8080:80', '-m', '64m', '--restart=always'];
    const image = `${registry.host}/app:latest`;
    const old = await docker('run', '-d', '--name=app', ...flags, '-v', 'kept:/data', image, 'sleep', '1000');
    await docker('exec', 'app', 'sh', '-c', 'echo mine > /data/file');
    assert.equal(await update(), 'app is up to date');
    await publish(registry, 'second');
    assert.equal(await update(), 'app was updated');
    assert.equal(await docker('exec', 'app', 'cat', '/greeting', '/data/file'), 'secondmine');
    const shown = '{{.HostConfig.Memory}} {{.HostConfig.RestartPolicy.Name}} {{(index .Config.Env 0)}}';
    assert.equal(await docker('inspect', '--format', shown, 'app'), '67108864 always KEY=value');
    assert.equal(await docker('port', 'app'), '80/tcp -> 127.0.0.1:8080');
    assert.notEqual(await docker('inspect', '--format={{.Id}}', 'app'), old);
    assert.equal(await docker('ps', '-aq', '--filter=name=old'), '');
    assert.equal((await docker('images', '-q', `${registry.host}/app`)).split('\n').length, 1);
    await docker('rm', '-f', 'app');
  });
});
