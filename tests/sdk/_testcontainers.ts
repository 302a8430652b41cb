/**
 * Drives an engine (DOCKER_HOST) with Testcontainers, inside the engine's network namespace, where published ports
 * are; IMAGE names a small image. Ends with an error at the first thing that is not as its users expect.
 */
import assert from 'node:assert/strict';
import { text } from 'node:stream/consumers';
import { GenericContainer, getContainerRuntimeClient, type StartedTestContainer, Wait } from 'testcontainers';

const image = process.env['IMAGE'] ?? '';

const shell = (script: string) => new GenericContainer(image).withCommand(['sh', '-c', script]);

const pageOf = async (container: StartedTestContainer, path: string): Promise<string> => {
  const answer = await fetch(`http://${container.getHost()}:${container.getMappedPort(80)}${path}`, {
    headers: { connection: 'close' },
  });
  return answer.text();
};

const subjects: Readonly<Record<string, () => Promise<void>>> = {
  async 'a web server behind a published port'() {
    const container = await shell('exec httpd -f -h /srv')
      .withExposedPorts(80)
      .withCopyContentToContainer([{ content: 'a page', target: '/srv/index.html' }])
      .withWaitStrategy(Wait.forHttp('/', 80))
      .start();
    assert.equal(await pageOf(container, '/'), 'a page');
    await container.copyContentToContainer([{ content: 'another', target: '/srv/more/file' }]);
    assert.equal(await pageOf(container, '/more/file'), 'another');
    const archive = await text(await container.copyArchiveFromContainer('/srv/more'));
    assert.match(archive, /^more\/[\s\S]*another/);
    const { exitCode, output } = await container.exec(['sh', '-c', 'cat /srv/index.html; exit 6']);
    assert.deepEqual([exitCode, output], [6, 'a page']);
    await container.restart();
    await container.stop();
  },

  async 'waiting for the log, a health check, a port and an end'() {
    let consumed = '';
    const logged = await shell('sleep 0.2; echo ready at last; exec sleep 1000')
      .withLogConsumer((stream) => stream.on('data', (chunk: Buffer) => (consumed += chunk.toString())))
      .withWaitStrategy(Wait.forLogMessage('ready at last'))
      .start();
    await logged.stop({ timeout: 0 });
    assert.equal(consumed, 'ready at last\n');
    const healthy = await shell('exec sleep 1000')
      .withHealthCheck({ test: ['CMD', 'true'], interval: 100, timeout: 1000, retries: 3 })
      .withWaitStrategy(Wait.forHealthCheck())
      .start();
    await healthy.stop({ timeout: 0 });
    const listening = await shell('exec httpd -f -p 8080').withExposedPorts(8080).start();
    await listening.stop({ timeout: 0 });
    await shell('exit 0').withWaitStrategy(Wait.forOneShotStartup()).start();
  },

  async 'settings, commits and what the client tells of the engine'() {
    const container = await shell('exec sleep 1000')
      .withName('tc-settings')
      .withEnvironment({ KEY: 'value' })
      .withLabels({ of: 'sdk' })
      .withTmpFs({ '/scratch': 'rw,size=1m' })
      .withResourcesQuota({ memory: 0.0625, cpu: 0.5 })
      .withUlimits({ nofile: { hard: 200, soft: 100 } })
      .withDroppedCapabilities('ALL')
      .start();
    const { output } = await container.exec(['sh', '-c', 'echo $KEY; ulimit -n; grep -c /scratch /proc/mounts']);
    assert.equal(output, 'value\n100\n1\n');
    const committed = await container.commit({ repo: 'tc/committed', tag: '1', deleteOnExit: false });
    await container.stop({ timeout: 0 });
    const { info } = await getContainerRuntimeClient();
    assert.equal(info.containerRuntime.operatingSystemType, 'linux');
    const again = await new GenericContainer(committed).withCommand(['sleep', '1000']).start();
    await again.stop({ timeout: 0 });
  },

  async 'images from Dockerfiles'() {
    const folder = process.env['CONTEXT'] ?? '';
    for (const isBuildkit of [false, true]) {
      const builder = GenericContainer.fromDockerfile(folder, 'Dockerfile.own')
        .withBuildArgs({ WORD: `given ${isBuildkit}` })
        .withTarget('wanted')
        .withCache(false);
      const image = await (isBuildkit ? builder.withBuildkit() : builder).build('tc/built:1', { deleteOnExit: false });
      const container = await image.start();
      const { output } = await container.exec(['sh', '-c', 'cat /word; ls /all']);
      assert.equal(output, `given ${isBuildkit}\nDockerfile.own\nkept\n`);
      await container.stop({ timeout: 0 });
    }
    await assert.rejects(
      GenericContainer.fromDockerfile(folder, 'Dockerfile.own').build('tc/broken:1'),
      /Failed to build/,
    );
  },
};

for (const name of process.argv.slice(2)) {
  await subjects[name]?.();
  process.stdout.write(`done ${name}\n`);
}
// Testcontainers keeps its connections open.
process.exit(0);
