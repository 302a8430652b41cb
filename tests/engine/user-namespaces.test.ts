import assert from 'node:assert/strict';
import { chmod, readFile, stat } from 'node:fs/promises';
import { test } from 'node:test';
import { must, run } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';

const image = 'gantry-test/busybox:1';
const map = "awk '{print $1, $2, $3}' /proc/self/uid_map";

/** Containers whose root is nobody on the host. `auto` takes ids that nothing else has. */
engineSuite('user namespaces', { images: ['busybox', 'debian'], runtimes: ['runc'] }, (engine) => {
  const docker = (...words: string[]) => engine().dockerOk(words);
  const create = async (name: string, config: object, host: object): Promise<{ status: number; text: string }> => {
    await chmod(engine().folder, 0o711);
    const { status, text } = await engine().api('POST', `/containers/create?name=${name}`, {
      Image: image,
      Cmd: ['sleep', '1000'],
      ...config,
      HostConfig: { UsernsMode: 'auto', ...host },
    });
    return { status, text };
  };
  const start = async (name: string, config: object = {}, host: object = {}) => {
    const made = await create(name, config, host);
    assert.equal(made.status, 201, made.text);
    await docker('start', name);
  };
  const idsOf = async (name: string): Promise<number> => {
    const text = await docker('exec', name, 'sh', '-c', map);
    assert.match(text, /^0 \d+ 65536$/);
    return Number(text.split(' ')[1]);
  };

  for (const runtime of ['crun', 'runc']) {
    test(`auto with ${runtime}: run, exec, files, network, stop and start`, async () => {
      const more = { PortBindings: { '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '' }] }, Binds: ['data:/data'] };
      await start('one', { WorkingDir: '/made/here', ExposedPorts: { '80/tcp': {} } }, { Runtime: runtime, ...more });
      const ids = await idsOf('one');
      assert.ok(ids >= 0x8000_0000);
      const script = [
        'id -u',
        'pwd; stat -c %u . / /bin /etc/hosts /etc/resolv.conf /data /dev/shm',
        'touch /new /data/new && chown 5:6 /new && stat -c %u:%g /new',
        'echo x >> /etc/hosts && echo written',
        'mkdir -p /home/x && chown 7 /home/x && stat -c %u /home/x',
        'ip address add 10.99.0.1/32 dev lo 2>&1 | grep -c "not permitted"',
        'mknod /m c 1 1 2>&1 | grep -c "not permitted"',
        'nc -l -p 80 >/dev/null & sleep 0; echo listening',
      ].join('\n');
      const expected = ['0', '/made/here', ...Array<string>(7).fill('0'), '5:6', 'written', '7', '1', '1', 'listening'];
      assert.deepEqual((await docker('exec', 'one', 'sh', '-c', script)).split('\n'), expected);
      const { Pid } = JSON.parse(await docker('inspect', '-f', '{{json .State}}', 'one')) as { Pid: number };
      assert.match(await readFile(`/proc/${Pid}/status`, 'utf8'), new RegExp(`Uid:\\s+${ids}\\s`));
      const [inspect] = JSON.parse(await docker('inspect', 'one')) as [
        { HostConfig: { UsernsMode: string }; Gantry: object },
      ];
      assert.equal(inspect.HostConfig.UsernsMode, 'auto');
      assert.deepEqual(inspect.Gantry, { IDMappings: { UidMap: [`0:${ids}:65536`], GidMap: [`0:${ids}:65536`] } });
      await docker('restart', '-t', '0', 'one');
      assert.equal(await docker('exec', 'one', 'stat', '-c', '%u:%g', '/new'), '5:6');
      await docker('rm', '-f', 'one');
    });
  }

  test('two containers have no id in common; what a removed one had is free again', async () => {
    await start('one');
    await start('two');
    const [first, second] = [await idsOf('one'), await idsOf('two')];
    assert.equal(second, first + 65_536);
    await docker('rm', '-f', 'one');
    await start('three');
    assert.equal(await idsOf('three'), first);
  });

  test('it goes on over a killed engine, in a restart, and with files copied in and out', async () => {
    await start('one');
    const ids = await idsOf('one');
    await docker('exec', 'one', 'touch', '/kept');
    await engine().stop('SIGKILL');
    await engine().start();
    assert.equal(await idsOf('one'), ids);
    await docker('restart', '-t', '0', 'one');
    assert.equal(await docker('exec', 'one', 'stat', '-c', '%u', '/kept'), '0');
    const script = 'mkdir /in && echo a > /in/a && chown -R 5:6 /in && echo b >> /bin/../etc/group && chmod 700 /root';
    await docker('exec', 'one', 'sh', '-c', script);
    const copy = `${engine().folder}/copy.tar`;
    await docker('cp', 'one:/in', `${engine().folder}/in`);
    const owners = async (words: string[]) =>
      must('sh', ['-c', `${words.join(' ')} | tar tvn --numeric-owner | awk '{print $2}' | sort -u`]);
    const client = `docker -H unix://${engine().paths.socket}`;
    assert.deepEqual((await owners([client, 'cp', 'one:/in', '-'])).split('\n').filter(Boolean), ['5/6']);
    assert.match(await owners([client, 'export', 'one']), /^0\/0\n5\/6$/);
    await must('sh', [
      '-c',
      `cd ${engine().folder} && tar cf ${copy} --owner=7 --group=8 in && ${client} cp -a - one:/ < ${copy}`,
    ]);
    assert.equal(await docker('exec', 'one', 'stat', '-c', '%u:%g', '/in/a'), '7:8');
    await docker('commit', 'one', 'committed:1');
    assert.equal(await docker('run', '--rm', 'committed:1', 'stat', '-c', '%u:%g', '/in/a', '/kept'), '7:8\n0:0');
    await docker('rmi', '-f', 'committed:1');
  });

  test('what its root may not do on the host', async () => {
    await start('one');
    const { Pid } = JSON.parse(await docker('inspect', '-f', '{{json .State}}', 'one')) as { Pid: number };
    const ids = await idsOf('one');
    // A process that came out of the container, with all ids of its root.
    const as = (...words: string[]) => run('setpriv', [`--reuid=${ids}`, `--regid=${ids}`, '--clear-groups', ...words]);
    const { dataRoot, execRoot } = engine().paths;
    const writable = await as('sh', '-c', `find ${dataRoot} ${execRoot} -writable ! -type s 2>/dev/null | wc -l`);
    assert.equal(writable.stdout.trim(), '0');
    for (const path of [dataRoot, execRoot, `${execRoot}/containers`, `${dataRoot}/volumes`]) {
      assert.notEqual((await as('ls', path)).code, 0, path);
    }
    assert.notEqual((await as('kill', '-0', String(engine().pid))).code, 0);
    assert.equal((await as('kill', '-0', String(Pid))).code, 0, 'its own process it may');
    assert.equal((await stat(`${execRoot}/rootfs`)).mode & 0o777, 0o755);
  });

  test('keep-id: one user is the same inside and outside, and the container runs as that one', async () => {
    await start('one', {}, { UsernsMode: 'keep-id:uid=1000,gid=1001', Binds: [`${engine().folder}/home:/home`] });
    const shown = await docker('exec', 'one', 'sh', '-c', 'id -u; id -g; cat /proc/self/uid_map | wc -l');
    assert.equal(shown, '1000\n1001\n3');
    const { Pid } = JSON.parse(await docker('inspect', '-f', '{{json .State}}', 'one')) as { Pid: number };
    assert.match(await readFile(`/proc/${Pid}/status`, 'utf8'), /Uid:\s+1000\s/);
  });

  test('a container in the namespaces of another one has its user namespace', async () => {
    await start('one');
    const ids = await idsOf('one');
    await start('two', {}, { UsernsMode: '', NetworkMode: 'container:one', PidMode: 'container:one' });
    assert.equal(await idsOf('two'), ids);
    const refused = await create('three', {}, { NetworkMode: 'container:one' });
    assert.equal(refused.status, 400, refused.text);
  });

  test('what cannot be', async () => {
    const refused: [object, object, RegExp][] = [
      [{}, { Privileged: true }, /privileged mode is incompatible with user namespaces/],
      [{}, { NetworkMode: 'host' }, /cannot share the host's network namespace when user namespaces are enabled/],
      [{}, { PidMode: 'host' }, /cannot share the host PID namespace when user namespaces are enabled/],
      [{}, { UsernsMode: 'private' }, /invalid user namespace mode: private/],
      [{}, { UsernsMode: 'auto:size=x' }, /size must be a number/],
      [{}, { UsernsMode: 'auto:uid=5' }, /unknown option/],
      [{}, { UsernsMode: 'keep-id' }, /keep-id needs the ids to keep/],
      [{}, { UsernsMode: 'keep-id:uid=0,gid=0' }, /cannot keep root's ids/],
    ];
    for (const [config, host, message] of refused) {
      const { status, text } = await create('bad', config, host);
      assert.equal(status, 400, text);
      assert.match(text, message);
    }
    const { status, text } = await create('big', {}, { UsernsMode: 'auto:size=2147483647' });
    assert.equal(status, 503, text);
    assert.equal((await create('small', { User: '70000' }, {})).status, 201);
    const { code, stderr } = await engine().docker(['start', 'small']);
    assert.notEqual(code, 0);
    assert.match(stderr, /the uid 70000 is not mapped in the user namespace/);
  });
});
