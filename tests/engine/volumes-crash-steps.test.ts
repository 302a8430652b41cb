/** Volumes of an engine that is killed at one step: what it had frozen, mounted or begun is put right by the next one. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { isOracle, seenBy, type TestEngine } from '../support/engine.ts';
import { gantryProgram } from '../support/gantry-command.ts';
import { must, run } from '../support/run.ts';
import { needsRoot } from '../support/skip.ts';
import { eventually } from '../support/wait.ts';
import { startWeakEngine } from '../support/weak-engine.ts';
import { busybox } from './_docker.ts';

const skip = isOracle() ? 'dockerd has no copies of volumes' : needsRoot();

describe('volumes of an engine that is killed at one step', { skip }, () => {
  let marks = '';
  let one: TestEngine;
  before(async () => {
    marks = await realpath(await mkdtemp(join(tmpdir(), 'gantry-marks-')));
    one = await startWeakEngine('dies on the way', { GANTRY_TEST_CANARY: marks });
    await one.load('busybox');
  });
  after(async () => {
    await one[Symbol.asyncDispose]();
    await rm(marks, { recursive: true });
  });
  const [program, ...first] = gantryProgram;
  const options = () => ({ timeout: 60_000, env: { ...one.clientEnv() } });
  const gantry = (...args: string[]) => run(program, [...first, 'volume', ...args], options());
  const ok = (...args: string[]) => must(program, [...first, 'volume', ...args], options());
  const docker = (...words: string[]) => one.dockerOk(words);
  const folder = () => seenBy(one, join(one.paths.dataRoot, 'volumes'));
  const sh = (volume: string, script: string) =>
    docker('run', '--rm', '--network=none', '-v', `${volume}:/data`, busybox, 'sh', '-c', script);
  const runs = (name: string, volume: string) => {
    const writes = 'while :; do date +%s%N > /data/new; mv /data/new /data/now; done';
    return docker(
      'run',
      '-d',
      `--name=${name}`,
      '--network=none',
      '-v',
      `${volume}:/data`,
      busybox,
      'sh',
      '-c',
      writes,
    );
  };
  const writesOn = async (name: string): Promise<void> => {
    const now = () => docker('exec', name, 'cat', '/data/now');
    const then = await eventually('it wrote', () => now().catch(() => undefined));
    await eventually('it writes on', async () => (await now()) !== then);
  };
  /** The mounts that the engine sees below the folder of the volumes. */
  const mounts = async () => {
    const { stdout } = await one.inside(['cat', '/proc/self/mountinfo']);
    return stdout.split('\n').filter((line) => line.includes(`${one.paths.dataRoot}/volumes/`));
  };

  afterEach(async () => {
    const list = async (...words: string[]) => (await docker(...words)).split('\n').filter(Boolean);
    const containers = await list('ps', '-aq');
    if (containers.length > 0) await docker('rm', '-f', ...containers);
    const volumes = await list('volume', 'ls', '-q');
    if (volumes.length > 0) await docker('volume', 'rm', ...volumes);
    assert.deepEqual(await readdir(folder()), []);
    assert.deepEqual(await mounts(), []);
  });

  /** Runs `work` on an engine that is killed at the step, and starts the next one. */
  async function killedAt(step: string, work: () => Promise<{ code: number | null }>): Promise<void> {
    await writeFile(join(marks, step), '');
    const { code } = await work();
    assert.notEqual(code, 0);
    await one.stop('SIGKILL');
    await rm(join(marks, step));
    await one.start();
  }

  test('a file system that was frozen for a snapshot is written to again', async () => {
    await docker('volume', 'create', '-o', 'size=32m', 'disk');
    await runs('writer', 'disk');
    await writesOn('writer');
    await killedAt('disk-frozen', () => gantry('snapshot', 'create', 'disk', 'made'));
    await writesOn('writer');
    assert.equal(await ok('snapshot', 'ls', '-q', 'disk'), '');
    assert.deepEqual((await readdir(join(folder(), 'disk/_disk'))).toSorted(), ['image', 'options.json']);
    await ok('snapshot', 'create', 'disk', 'made');
  });

  test('containers that were halted for a snapshot run on', async () => {
    await runs('writer', 'data');
    await writesOn('writer');
    await killedAt('containers-frozen', () => gantry('snapshot', 'create', 'data', 'made'));
    await writesOn('writer');
    assert.equal(await docker('inspect', '--format={{.State.Status}}', 'writer'), 'running');
    assert.equal(await ok('snapshot', 'ls', '-q', 'data'), '');
    assert.deepEqual(await readdir(folder()), ['data']);
  });

  test('what was mounted for a container that never ran is unmounted', async () => {
    for (const name of ['memory', 'used'])
      await docker('volume', 'create', '-o', 'type=tmpfs', '-o', 'device=tmpfs', name);
    await docker('run', '-d', '--name=user', '--network=none', '-v', 'used:/used', busybox, 'sleep', '1000');
    await docker('exec', 'user', 'touch', '/used/kept');
    await docker('create', '--name=never', '--network=none', '-v', 'memory:/memory', busybox, 'sleep', '1000');
    await killedAt('mounted', () => one.docker(['start', 'never']));
    await eventually('only what runs has its volume', async () => (await mounts()).length === 1);
    assert.equal(await docker('exec', 'user', 'ls', '/used'), 'kept');
    await docker('start', 'never');
    assert.equal((await mounts()).length, 2);
  });

  test('volumes whose containers ended while there was no engine are unmounted', async () => {
    const kinds = {
      memory: ['type=tmpfs', 'device=tmpfs'],
      bound: [`mountpoint=${marks}`],
      disk: ['size=16m'],
    };
    for (const [name, words] of Object.entries(kinds)) {
      await docker('volume', 'create', ...words.flatMap((word) => ['-o', word]), name);
    }
    const volumes = Object.keys(kinds).flatMap((name) => ['-v', `${name}:/${name}`]);
    await docker('run', '-d', '--name=user', '--network=none', ...volumes, busybox, 'sleep', '1000');
    await docker('run', '-d', '--name=other', '--network=none', '-v', 'memory:/memory', busybox, 'sleep', '1000');
    await docker('exec', 'other', 'touch', '/memory/kept');
    assert.equal((await mounts()).length, 3);
    const pid = Number(await docker('inspect', '--format={{.State.Pid}}', 'user'));
    await one.stop('SIGKILL');
    process.kill(pid, 'SIGKILL');
    await eventually('the container has ended', async () => !existsSync(`/proc/${pid}/ns`));
    await one.start();
    await eventually('only what runs has its volume', async () => (await mounts()).length === 1);
    assert.equal(await docker('exec', 'other', 'ls', '/memory'), 'kept');
    await docker('start', 'user');
    assert.equal(await docker('exec', 'user', 'ls', '/memory'), 'kept');
  });

  const isHere = existsSync('/usr/bin/gocryptfs');
  test('nobody serves an encrypted volume that was about to be', { skip: !isHere && 'needs gocryptfs' }, async () => {
    const key = join(one.folder, 'key');
    await writeFile(key, 'correct horse', { mode: 0o600 });
    await docker(
      'volume',
      'create',
      '-o',
      `encrypt=file:${key}`,
      '-o',
      'encrypt-with=gocryptfs',
      '-o',
      'size=16m',
      'vault',
    );
    await sh('vault', 'echo kept > /data/file');
    await eventually('it is closed', async () => (await mounts()).length === 0 && (await servers()).length === 0);
    await killedAt('about-to-serve', () =>
      one.docker(['run', '--rm', '--network=none', '-v', 'vault:/data', busybox, 'true']),
    );
    // One that was quicker than the next engine is unmounted as what nobody runs with.
    await eventually('nobody serves', async () => (await mounts()).length === 0 && (await servers()).length === 0);
    assert.equal(await sh('vault', 'cat /data/file'), 'kept');
    await eventually('nobody serves', async () => (await servers()).length === 0);
    await eventually('its device is free', async () => (await loops()).length === 0);
  });

  async function loops(): Promise<string[]> {
    const names = (await readdir('/sys/block')).filter((name) => name.startsWith('loop'));
    const files = names.map((name) => readFile(`/sys/block/${name}/loop/backing_file`, 'utf8').catch(() => ''));
    return (await Promise.all(files)).filter((file) => file.startsWith(`${one.paths.dataRoot}/volumes/`));
  }

  async function servers(): Promise<string[]> {
    const found: string[] = [];
    for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
      const words = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
      if (words.startsWith('/usr/bin/gocryptfs') && words.includes(one.paths.dataRoot)) found.push(words);
    }
    return found;
  }

  for (const [step, opens] of [
    ['key-prepared', 'old'],
    ['key-decided', 'new'],
  ] as const) {
    test(`a change of key is made or not: killed at ${step}`, async () => {
      const place = (name: string) => join(one.folder, name);
      for (const name of ['old', 'new']) await writeFile(place(name), `${name} horse`, { mode: 0o600 });
      await docker('volume', 'create', '-o', `encrypt=file:${place('old')}`, '-o', 'size=16m', 'vault');
      await sh('vault', 'echo kept > /data/file');
      await ok('snapshot', 'create', 'vault', 'before');
      await killedAt(step, () => gantry('rekey', '--to', `file:${place('new')}`, 'vault'));
      const names = ['image', 'key.json', 'options.json'];
      assert.deepEqual((await readdir(join(folder(), 'vault/_disk'))).toSorted(), names);
      assert.equal(await docker('volume', 'inspect', '--format={{.Options.encrypt}}', 'vault'), `file:${place(opens)}`);
      await rm(place(opens === 'old' ? 'new' : 'old'));
      assert.equal(await sh('vault', 'cat /data/file'), 'kept');
      await ok('snapshot', 'restore', 'vault', 'before');
      assert.equal(await sh('vault', 'cat /data/file'), 'kept');
    });
  }
});
