/** What Podman's users know: `U` (owner), `O` (overlay) and `idmap` on binds and volumes. Additions of this engine. */
import assert from 'node:assert/strict';
import {
  chmod,
  chown,
  link,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { isOracle, type TestEngine } from '../support/engine.ts';
import { gantryProgram } from '../support/gantry-command.ts';
import { run } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';
import { busybox, dockerOf } from './_docker.ts';

const runtimes = ['crun', 'runc'];

const options = {
  runtimes,
  skip: isOracle() && 'additions of Gantry',
  // Users of a namespace have to come through.
  prepare: ({ folder }: TestEngine) => chmod(folder, 0o711),
};

engineSuite('owners and overlays of mounts', options, (engine) => {
  const docker = dockerOf(engine);
  const [program, ...first] = gantryProgram;
  const gantry = async (...words: string[]) => {
    const { code, stdout, stderr } = await run(program, [...first, ...words], { env: engine().clientEnv() });
    assert.equal(code, 0, stderr);
    return stdout.trim();
  };
  /** In a user namespace of its own, which the stock client does not let through. */
  const inNamespace = (script: string, ...flags: string[]) =>
    gantry('run', '--rm', '--userns=auto', ...flags, busybox, 'sh', '-c', script);
  const shell = (script: string, ...flags: string[]) => docker.ok('run', '--rm', ...flags, busybox, 'sh', '-c', script);
  async function withFolder(work: (folder: string) => Promise<void>): Promise<void> {
    const folder = await mkdtemp(join(engine().folder, 'host-'));
    try {
      await chmod(folder, 0o755);
      await mkdir(join(folder, 'sub'));
      await writeFile(join(folder, 'file'), 'of the host\n');
      await writeFile(join(folder, 'sub/deep'), 'deep\n');
      await work(folder);
    } finally {
      await rm(folder, { recursive: true });
    }
  }
  const owners = async (folder: string, ...names: string[]) =>
    Promise.all(
      names.map(async (name) => `${(await lstat(join(folder, name))).uid}:${(await lstat(join(folder, name))).gid}`),
    );
  const refuses = async (says: RegExp, ...flags: string[]) => {
    const { code, stderr } = await docker('run', '--rm', ...flags, busybox, 'true');
    assert.equal(code, 125, flags.join(' '));
    assert.match(stderr, says);
  };

  test('U gives what is mounted to the user of the container, links and what they point at left alone', () =>
    withFolder(async (folder) => {
      const outside = await mkdtemp(join(engine().folder, 'outside-'));
      await writeFile(join(outside, 'file'), '');
      await symlink(join(outside, 'file'), join(folder, 'link'));
      await symlink(outside, join(folder, 'way'));
      const seen = await shell('id -u; echo x > /v/sub/new; cat /v/file', '--user=1234:77', '-v', `${folder}:/v:U`);
      assert.equal(seen, '1234\nof the host');
      const all = await owners(folder, '.', 'file', 'sub', 'sub/deep', 'link', 'way');
      assert.deepEqual(new Set(all), new Set(['1234:77']));
      assert.equal((await stat(join(outside, 'file'))).uid, 0);
      assert.equal((await stat(outside)).uid, 0);
      await shell('touch /v/x', '--user=5:6', '-v', 'named:/v:U');
      await docker.ok('create', '--name=shows', '-v', `${folder}:/v:ro,U`, busybox);
      assert.match(await docker.field('shows', '{{json .Mounts}}'), /"Mode":"ro,U"/);
      assert.match(await docker.field('shows', '{{json .HostConfig.Binds}}'), /:\/v:ro,U"/);
      await docker.ok('rm', 'shows');
      await rm(outside, { recursive: true });
    }));

  test('U leaves folders of the system alone', async () => {
    const { uid } = await stat('/etc/passwd');
    for (const folder of ['/', '/etc', '/usr/bin', '/var']) {
      await refuses(
        /"U" would change the owner of everything in \/\S*, a folder of the system/,
        '--user=9',
        '-v',
        `${folder}:/v:U`,
      );
    }
    assert.equal((await stat('/etc/passwd')).uid, uid);
  });

  test('U with a user namespace gives the files to the host id of the user', () =>
    withFolder(async (folder) => {
      const shown = await inNamespace(
        'stat -c "%u:%g" /v/file; cat /proc/self/uid_map',
        '--user=3:4',
        '-v',
        `${folder}:/v:U`,
      );
      assert.match(shown, /^3:4\n/);
      const base = Number(/^\s*0\s+(\d+)/m.exec(shown.split('\n')[1] ?? '')?.[1]);
      assert.deepEqual(await owners(folder, 'file'), [`${base + 3}:${base + 4}`]);
    }));

  test('a container that swaps folders for links meanwhile gains nothing from U', async () => {
    const outside = await mkdtemp(join(engine().folder, 'outside-'));
    await writeFile(join(outside, 'file'), '');
    await shell(
      'mkdir -p /v/a /v/b; for i in $(seq 300); do mkdir /v/a/$i; touch /v/a/$i/file; done; ln -s $OUT /v/link',
      '-e',
      `OUT=${outside}`,
      '-v',
      'raced:/v',
    );
    const swap = 'cd /v; while :; do mv a p; mv link a; mv a link; mv p a; done';
    await docker.ok('run', '-d', '--name=racer', '-v', 'raced:/v', busybox, 'sh', '-c', swap);
    for (let round = 0; round < 15; round++)
      await docker('run', '--rm', `--user=${1000 + round}`, '-v', 'raced:/v:U', busybox, 'true');
    await docker.ok('rm', '-f', 'racer');
    assert.equal((await stat(outside)).uid, 0);
    assert.equal((await stat(join(outside, 'file'))).uid, 0);
    await rm(outside, { recursive: true });
  });

  test('O throws away what is written, at each run anew', () =>
    withFolder(async (folder) => {
      await chown(folder, 12, 34);
      for (const runtime of runtimes) {
        const flags = ['--name=over', `--runtime=${runtime}`, '-v', `${folder}:/v:O`];
        const script =
          'ls /v; stat -c %u:%g /v; echo changed > /v/file; rm -r /v/sub; echo new > /v/new; cat /v/file; ls /v';
        await docker.ok('create', ...flags, busybox, 'sh', '-c', script);
        for (let round = 0; round < 2; round++) {
          assert.equal(await docker.ok('start', '-a', 'over'), 'file\nsub\n12:34\nchanged\nfile\nnew', runtime);
        }
        await docker.ok('rm', 'over');
      }
      assert.deepEqual((await readdir(folder)).sort(), ['file', 'sub']);
      assert.equal(await readFile(join(folder, 'file'), 'utf8'), 'of the host\n');
    }));

  test('O with U changes owners in the overlay only; with folders of its own it keeps what is written', () =>
    withFolder(async (folder) => {
      assert.equal(await shell('stat -c %u /v/file; echo mine > /v/file', '--user=42', '-v', `${folder}:/v:O,U`), '42');
      assert.deepEqual(await owners(folder, '.', 'file', 'sub/deep'), ['0:0', '0:0', '0:0']);
      const [upper, work] = [join(engine().folder, 'upper'), join(engine().folder, 'work')];
      const flags = ['-v', `${folder}:/v:O,upperdir=${upper},workdir=${work}`];
      await refuses(/upperdir \S+ is no folder/, ...flags);
      await mkdir(upper);
      await mkdir(work);
      await shell('echo kept > /v/new', ...flags);
      assert.equal(await shell('cat /v/new', ...flags), 'kept');
      assert.equal(await readFile(join(upper, 'new'), 'utf8'), 'kept\n');
      for (const path of [upper, work]) await rm(path, { recursive: true });
      await refuses(/"O" needs a folder/, '-v', `${folder}/file:/v:O`);
      await refuses(/bind source path does not exist: \S+\/none/, '-v', `${folder}/none:/v:O`);
    }));

  test('an overlay lives on over the death of the engine, is seen by cp, and goes with the run', () =>
    withFolder(async (folder) => {
      const id = await docker.ok(
        'run',
        '-d',
        '--name=over',
        '-v',
        `${folder}:/v:O`,
        busybox,
        'sh',
        '-c',
        'echo x > /v/new; sleep 1000',
      );
      await docker.ok('exec', id, 'sh', '-c', 'until [ -e /v/new ]; do :; done');
      await engine().stop('SIGKILL');
      await engine().start();
      assert.equal(await docker.ok('exec', id, 'cat', '/v/new'), 'x');
      const copied = join(engine().folder, 'copied');
      await docker.ok('cp', 'over:/v/new', copied);
      assert.equal(await readFile(copied, 'utf8'), 'x\n');
      await rm(copied);
      await docker.ok('stop', '-t0', 'over');
      assert.match((await docker('cp', 'over:/v/new', copied)).stderr, /Could not find the file|No such/i);
      await docker.ok('rm', 'over');
    }));

  test('idmap shows the files to a user namespace, or to ids that are named', () =>
    withFolder(async (folder) => {
      await chown(join(folder, 'file'), 7, 8);
      const show = 'stat -c %u:%g /v /v/file; touch /v/new; stat -c %u:%g /v/new';
      for (const runtime of runtimes) {
        const seen = await inNamespace(show, `--runtime=${runtime}`, '-v', `${folder}:/v:idmap`);
        assert.equal(seen, '0:0\n7:8\n0:0', runtime);
        assert.deepEqual(await owners(folder, 'new', 'file'), ['0:0', '7:8']);
        await rm(join(folder, 'new'));
        const named = ['-v', `${folder}:/v:idmap=uids=0-1000-10;gids=0-2000-10`];
        assert.equal(await shell('stat -c %u:%g /v /v/file', `--runtime=${runtime}`, ...named), '1000:2000\n1007:2008');
        await shell('touch /v/new', `--runtime=${runtime}`, '--user=1003:2003', '--group-add=2000', ...named).catch(
          () => '',
        );
      }
      assert.equal(await inNamespace('cat /v', '-v', `${folder}/file:/v:idmap`), 'of the host');
      await inNamespace('echo x > /v/x; stat -c %u /v/x', '-v', 'mapped:/v:idmap');
      const inside = ['-v', `${folder}:/v:idmap=uids=@7-100-1;gids=@8-200-1`];
      assert.equal(await inNamespace('stat -c %u:%g /v/file', ...inside), '100:200');
      await refuses(/"idmap" alone needs a container with a user namespace/, '-v', `${folder}:/v:idmap`);
      await assert.rejects(
        inNamespace('true', '-v', `${folder}:/v:idmap=uids=@7-9000000-1`),
        /the container has no ids from 9000000 to 9000000/,
      );
      await refuses(/cannot show files with other owners/, '-v', '/proc:/v:idmap=uids=0-1-1');
    }));

  test('gantry run has them as --mount words, and inspect shows the mode', () =>
    withFolder(async (folder) => {
      const mount = (more: string) => `--mount=type=bind,source=${folder},target=/v,${more}`;
      assert.equal(await gantry('run', '--rm', mount('O'), busybox, 'sh', '-c', 'rm /v/file; ls /v'), 'sub');
      assert.equal(
        await gantry('run', '--rm', '--user=9', mount('chown=true'), busybox, 'stat', '-c', '%u', '/v/file'),
        '9',
      );
      assert.equal(await gantry('run', '--rm', mount('idmap=uids=9-0-1'), busybox, 'stat', '-c', '%u', '/v/file'), '0');
      await gantry('create', '--name=shows', mount('overlay,U'), busybox);
      assert.match(await docker.field('shows', '{{json .Mounts}}'), /"Mode":"O,U"/);
      const { text } = await engine().api('GET', '/containers/shows/json');
      assert.match(text, /"Mounts":\[\{"Type":"bind",[^}]+"Mode":"O,U"\}/);
      await docker.ok('rm', 'shows');
      const missing = join(folder, 'made/here');
      assert.equal(
        await gantry(
          'run',
          '--rm',
          `--mount=type=bind,source=${missing},target=/v,bind-create-src`,
          busybox,
          'ls',
          '/v',
        ),
        '',
      );
    }));

  test('a hard link that is mounted twice gets one owner', () =>
    withFolder(async (folder) => {
      await link(join(folder, 'file'), join(folder, 'again'));
      await shell('true', '--user=11', '-v', `${folder}:/v:U`);
      assert.deepEqual(await owners(folder, 'again'), ['11:0']);
    }));
});
