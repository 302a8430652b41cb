/** What an image or a container can put where its accounts are looked up, and what it shares with its host. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { busyboxLayer, dockerArchive, layerOf } from '../support/crafted-image.ts';
import { run } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';
import type { TarMember } from '../support/tar.ts';
import { busybox, dockerOf } from './_docker.ts';

/** Far more than the answer takes: what hangs takes for ever. */
const boundMs = 10_000;

engineSuite('hostile accounts', { images: ['busybox', 'debian'] }, (engine) => {
  const docker = dockerOf(engine);
  const strange: Readonly<
    Record<string, { readonly member: TarMember; readonly make: string; readonly says: RegExp }>
  > = {
    'a FIFO': {
      member: { name: '', type: 'fifo' },
      make: 'mkfifo F',
      says: /is not a regular file/,
    },
    'a device': {
      member: { name: '', type: 'char', device: [1, 5] },
      make: 'mknod F c 1 5',
      says: /is not a regular file/,
    },
    'a directory': {
      member: { name: '', type: 'directory' },
      make: 'mkdir F',
      says: /is not a regular file/,
    },
    'a link to a path that only the host has': {
      member: { name: '', type: 'symlink', link: '/proc/self/environ' },
      make: 'ln -s /var/lib/dpkg/status F',
      says: /no matching entries in (passwd|group) file/,
    },
    'a link to itself': {
      member: { name: '', type: 'symlink', link: 'F' },
      make: 'ln -s F F',
      says: /leads through too many links/,
    },
    'a file of 1 GiB': {
      member: { name: '', body: Buffer.alloc(5 << 20, 'x') },
      make: 'truncate -s 1G F',
      says: /is larger than 4194304 bytes/,
    },
  };

  async function refused(says: RegExp, ...args: string[]): Promise<void> {
    const began = performance.now();
    const { code, stdout, stderr } = await docker(...args);
    assert.ok(performance.now() - began < boundMs, `${args.join(' ')}: too slow`);
    assert.notEqual(code, 0);
    assert.match(`${stdout}${stderr}`, says);
    assert.equal((await engine().api('GET', '/_ping')).status, 200);
  }

  for (const [what, { member, make, says }] of Object.entries(strange)) {
    test(`${what} at /etc/passwd and /etc/group, in run and exec`, async () => {
      for (const [file, user] of [
        ['passwd', 'somebody'],
        ['group', '0:somebody'],
      ] as const) {
        const link = member.link === 'F' ? { link: `/etc/${file}` } : {};
        const layers = [
          await busyboxLayer(),
          layerOf({ name: `etc/.wh.${file}` }),
          layerOf({ ...member, ...link, name: `etc/${file}` }),
        ];
        await docker.fed(dockerArchive({ names: ['crafted:accounts'], layers }), 'load');
        await refused(says, 'run', '--rm', `--user=${user}`, 'crafted:accounts', 'id');
        const id = await docker.ok('run', '-d', busybox, 'sleep', '1000');
        await docker.ok('exec', id, 'sh', '-c', `rm /etc/${file}; cd /etc; ${make.replaceAll('F', file)}`);
        await refused(says, 'exec', `--user=${user}`, id, 'id');
      }
    });
  }

  test('the session keyring of a container is neither the host’s nor another container’s', async () => {
    // keyctl(KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0)
    const program = ['perl', '-e', 'printf("%d", syscall(250, 0, -3, 0))'];
    const unfiltered = ['run', '--rm', '--security-opt=seccomp=unconfined', 'gantry-test/debian:1', ...program];
    const [first, second] = [await docker.ok(...unfiltered), await docker.ok(...unfiltered)];
    const { stdout: host } = await engine().inside(program);
    for (const id of [first, second, host]) assert.match(id, /^[1-9]\d*$/);
    assert.equal(new Set([first, second, host]).size, 3);
    assert.equal(await docker.ok('run', '--rm', 'gantry-test/debian:1', ...program), '-1', 'the filter denies it');
  });

  test('a user of the host reaches nothing of the engine, and no abstract socket is there', async () => {
    await docker.ok('run', '-d', '-i', busybox, 'sleep', '1000');
    const { dataRoot, execRoot, socket } = engine().paths;
    const as = (script: string) =>
      run('setpriv', ['--reuid=65534', '--regid=65534', '--clear-groups', 'sh', '-c', script]);
    // The folder of the test is closed to others: only inside of it the engine's own modes count.
    await run('chmod', ['711', engine().folder]);
    try {
      const looked = await as(`find ${dataRoot} ${execRoot} -mindepth 1 2>/dev/null | wc -l`);
      assert.equal(looked.stdout.trim(), '0', 'nothing below is seen');
      const all = await run('find', [
        dataRoot,
        execRoot,
        '-xdev',
        '(',
        '-type',
        's',
        '-o',
        '-type',
        'p',
        '-o',
        '-name',
        '*.json',
        ')',
      ]);
      const paths = all.stdout.split('\n').filter(Boolean);
      assert.ok(
        paths.some((path) => path.endsWith('/attach')),
        'the attach socket is among them',
      );
      for (const path of [...paths, socket]) {
        assert.notEqual((await as(`[ -r '${path}' ] || [ -w '${path}' ]`)).code, 0, path);
      }
    } finally {
      await run('chmod', ['700', engine().folder]);
    }
    for (const pid of [engine().pid, engine().namespaces.pid]) {
      const sockets = await readFile(`/proc/${pid}/net/unix`, 'utf8');
      assert.doesNotMatch(sockets, / @/);
    }
  });
});
