/** Names of containers: the name server at 127.0.0.11 of each container on a user-defined network. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { engineSuite } from '../support/suite.ts';
import { busybox, dockerOf } from './_docker.ts';

engineSuite('names of containers', {}, (engine) => {
  const docker = dockerOf(engine);
  const sleeper = [busybox, 'sleep', '1000'];
  /** The addresses that a container finds under a name, sorted; none when there is no such name. */
  const found = async (from: string, name: string): Promise<readonly string[]> => {
    const { stdout } = await docker('exec', from, 'nslookup', name);
    const answers = stdout.slice(stdout.indexOf('\n\n') + 2);
    return [...answers.matchAll(/^Address:\s+(\S+)$/gm)].map(([, address = '']) => address).toSorted();
  };

  test('a container is found by its name, aliases, short id and host name, and by its address', async () => {
    await docker.ok('network', 'create', '--subnet=10.60.0.0/24', 'net');
    await docker.ok('run', '-d', '--name=one', '--network=net', ...sleeper);
    const flags = ['--network=net', '--ip=10.60.0.9', '--network-alias=web', '--hostname=host'];
    await docker.ok('run', '-d', '--name=two', ...flags, ...sleeper);
    const id = (await docker.field('two', '{{.Id}}')).slice(0, 12);
    for (const name of ['two', 'TWO', 'web', 'host', id, 'two.net', 'web.net']) {
      assert.deepEqual(await found('one', name), ['10.60.0.9'], name);
    }
    for (const name of ['nobody', 'two.other']) assert.deepEqual(await found('one', name), [], name);
    assert.match(await docker.ok('exec', 'one', 'nslookup', '10.60.0.9'), /name = two\.net$/m);
    const file = await docker.ok('exec', 'one', 'cat', '/etc/resolv.conf');
    assert.match(file, /^nameserver 127\.0\.0\.11$/m);
    assert.match(file, /^options .*ndots:0$/m);
    assert.doesNotMatch(await docker.ok('exec', 'one', 'netstat', '-ln'), /:53 /);
  });
});
