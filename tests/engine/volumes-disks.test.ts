/** Volumes with a limit, and encrypted ones: file systems of their own in files. */
import assert from 'node:assert/strict';
import { chmod, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { isOracle, seenBy } from '../support/engine.ts';
import { gantryProgram } from '../support/gantry-command.ts';
import { must, run } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';
import { eventually } from '../support/wait.ts';

const image = 'gantry-test/busybox:1';
const skip = isOracle() && 'needs project quotas there, and there is no encryption';

engineSuite('volumes that are file systems of their own', { skip }, (engine) => {
  const [program, ...first] = gantryProgram;
  const options = () => ({ timeout: 60_000, env: { ...engine().clientEnv() } });
  const ok = (...args: string[]) => must(program, [...first, 'volume', ...args], options());
  const gantry = (...args: string[]) => run(program, [...first, 'volume', ...args], options());
  const docker = (...words: string[]) => engine().dockerOk(words);
  const runs = (volume: string, script: string) =>
    engine().docker(['run', '--rm', '--network=none', '-v', `${volume}:/data`, image, 'sh', '-c', script]);
  const sh = async (volume: string, script: string): Promise<string> => {
    const { code, stdout, stderr } = await runs(volume, script);
    assert.equal(code, 0, stderr);
    return stdout.trim();
  };
  const folder = () => seenBy(engine(), join(engine().paths.dataRoot, 'volumes'));
  const create = (name: string, ...words: string[]) =>
    docker('volume', 'create', ...words.flatMap((word) => ['-o', word]), name);
  const refusesCreate = async (says: RegExp, ...words: string[]): Promise<void> => {
    const { code, stderr } = await engine().docker([
      'volume',
      'create',
      ...words.flatMap((word) => ['-o', word]),
      'bad',
    ]);
    assert.match(stderr, says);
    assert.equal(code, 1);
    assert.deepEqual(await readdir(folder()), []);
  };
  const mib = async (volume: string): Promise<number> =>
    Number((await sh(volume, 'df -m /data')).split('\n')[1]?.trim().split(/ +/)[1]);

  /** Whether the kernel lets this machine's root resize file systems (CAP_SYS_RESOURCE, bit 24). */
  const mayResize = async (): Promise<boolean> => {
    const [, bits = '0'] = /CapEff:\s*([0-9a-f]+)/.exec(await readFile('/proc/self/status', 'utf8')) ?? [];
    return ((BigInt(`0x${bits}`) >> 24n) & 1n) === 1n;
  };

  /** Loop devices of the engine's own files. */
  const loops = async () => {
    const names = (await readdir('/sys/block')).filter((name) => name.startsWith('loop'));
    const files = await Promise.all(
      names.map((name) => readFile(`/sys/block/${name}/loop/backing_file`, 'utf8').catch(() => '')),
    );
    return files.filter((file) => file.startsWith(engine().paths.dataRoot));
  };
  const isClosed = () => eventually('nothing is mounted', async () => (await loops()).length === 0);

  describe('with a limit', () => {
    test('df tells it, more is ENOSPC, and it stays over kills, copies and new names', async () => {
      await create('small', 'size=32m');
      assert.equal(await mib('small'), 32);
      assert.equal(await sh('small', 'echo kept > /data/file; stat -c %a /data'), '755');
      const full = await runs('small', 'dd if=/dev/zero of=/data/big bs=1M count=40; rm /data/big');
      assert.match(full.stderr, /No space left on device/);
      await ok('snapshot', 'create', 'small', 'before');
      await sh('small', 'echo changed > /data/file');
      await ok('clone', '--snapshot', 'before', 'small', 'copy');
      assert.equal(await sh('copy', 'cat /data/file'), 'kept');
      assert.equal(await mib('copy'), 32);
      await engine().stop('SIGKILL');
      await engine().start();
      await ok('rename', 'copy', 'renamed');
      assert.equal(await sh('renamed', 'cat /data/file'), 'kept');
      await ok('snapshot', 'restore', 'small', 'before');
      assert.equal(await sh('small', 'cat /data/file'), 'kept');
      const seen = (await engine().api('GET', '/volumes/small')).json<{
        Options: { size: string };
        Status: { Limit: number };
      }>();
      assert.deepEqual([seen.Options.size, seen.Status.Limit], ['32m', 32 << 20]);
    });

    test('exports and imports keep the limit of the volume', async () => {
      await create('small', 'size=16m');
      await sh('small', 'echo kept > /data/file');
      const path = join(engine().folder, 'small.tar');
      await ok('export', '-o', path, '--compression=none', 'small');
      await create('other', 'size=8m');
      await ok('import', 'other', path);
      assert.equal(await sh('other', 'cat /data/file'), 'kept');
      assert.equal(await mib('other'), 8);
      await sh('small', 'dd if=/dev/zero of=/data/big bs=1M count=12');
      await ok('export', '-o', path, '--compression=none', 'small');
      const { code, stderr } = await gantry('import', '--merge', 'other', path);
      assert.equal(code, 1);
      assert.match(stderr, /no space left/);
      assert.equal(await sh('other', 'ls -A /data'), 'file');
      await rm(path);
    });

    test('it grows, also while a container writes, and never shrinks', async () => {
      await create('small', 'size=16m');
      await sh('small', 'echo kept > /data/file');
      assert.equal(await ok('update', '--size', '64m', 'small'), 'small');
      assert.ok((await mib('small')) >= 63, 'larger');
      assert.equal(
        await sh('small', 'dd if=/dev/zero of=/data/big bs=1M count=50 2>/dev/null; cat /data/file'),
        'kept',
      );
      assert.equal(await docker('volume', 'inspect', '--format={{.Options.size}}', 'small'), '67108864');
      const smaller = await gantry('update', '--size', '32m', 'small');
      assert.equal(smaller.code, 1);
      assert.match(smaller.stderr, /can only grow: its size is 67108864 bytes/);
      await docker('run', '-d', '--name=user', '--network=none', '-v', 'small:/data', image, 'sleep', '1000');
      const { code, stderr } = await gantry('update', '--size', '128m', 'small');
      if (await mayResize()) {
        assert.equal(code, 0, stderr);
        await docker('exec', 'user', 'dd', 'if=/dev/zero', 'of=/data/more', 'bs=1M', 'count=50');
      } else assert.match(stderr, /lacks CAP_SYS_RESOURCE/);
      await docker('rm', '-f', 'user');
    });

    test('wrong sizes are refused', async () => {
      await refusesCreate(/invalid size: 'much'/, 'size=much');
      await refusesCreate(/size is from 1m to 8t/, 'size=10k');
      await refusesCreate(/size is from 1m to 8t/, 'size=9t');
      await refusesCreate(/exclude each other/, 'size=10m', 'type=tmpfs', 'device=tmpfs');
    });
  });

  describe('encrypted', () => {
    const keyFile = () => join(engine().folder, 'key');
    const planted = 'a-secret-that-nobody-may-read';
    async function makeKey(text = 'correct horse\n'): Promise<string> {
      await writeFile(keyFile(), text, { mode: 0o600 });
      await chmod(keyFile(), 0o600);
      return `encrypt=file:${keyFile()}`;
    }
    /** Not by words of a command: those are in the container's record. */
    const plant = (volume: string, script: string) =>
      engine().dockerOk(
        ['run', '--rm', '-i', '--network=none', '-v', `${volume}:/data`, image, 'sh', '-c', `read t; ${script}`],
        { input: `${planted}\n` },
      );
    /** Whether a text is anywhere in the files below the data root, in content or names. */
    async function isOnDisk(text: string): Promise<boolean> {
      await engine().inside(['sync']);
      const found = await engine().inside(['grep', '-rlaF', text, engine().paths.dataRoot]);
      const named = await engine().inside(['find', engine().paths.dataRoot, '-name', `*${text}*`]);
      return found.stdout.trim() !== '' || named.stdout.trim() !== '';
    }

    test('neither content nor names are readable on the disk', async () => {
      // Small, as all of it is looked through.
      await create('vault', await makeKey(), 'size=16m');
      await plant('vault', 'echo $t > /data/file; echo x > /data/$t; ln -s $t /data/link; sync');
      assert.equal(await isOnDisk(planted), false);
      assert.equal(await isOnDisk('correct horse'), false);
      assert.equal(await sh('vault', 'cat /data/file; ls /data'), `${planted}\n${planted}\nfile\nlink`);
      // The look finds what is there: in a volume that is not encrypted.
      await plant('open', 'echo $t > /data/file; sync');
      assert.equal(await isOnDisk(planted), true);
      for (const path of ['/volumes/vault', '/events?until=1']) {
        assert.equal((await engine().api('GET', path)).text.includes('correct horse'), false);
      }
    });

    test('a wrong or missing key is told in clear words and changes nothing', async () => {
      await create('vault', await makeKey(), 'size=16m');
      await sh('vault', 'echo kept > /data/file');
      await isClosed();
      const before = await readFile(join(folder(), 'vault/_disk/image'));
      await makeKey('wrong horse');
      const wrong = await runs('vault', 'true');
      assert.match(wrong.stderr, /the key of the volume vault from file \S+ is wrong/);
      await rm(keyFile());
      const missing = await runs('vault', 'true');
      assert.match(missing.stderr, /the key of the volume vault cannot be read: file \S+: there is no such file/);
      assert.ok(before.equals(await readFile(join(folder(), 'vault/_disk/image'))));
      await engine().stop('SIGKILL');
      await engine().start();
      assert.equal((await runs('vault', 'true')).code, 127 - 2);
      await makeKey();
      assert.equal(await sh('vault', 'cat /data/file'), 'kept');
      await refuses(keyFile());
    });

    async function refuses(path: string): Promise<void> {
      await docker('volume', 'rm', 'vault');
      await chmod(path, 0o666);
      await refusesCreate(/others than its owner may write it/, `encrypt=file:${path}`);
      await writeFile(path, '\n');
      await chmod(path, 0o600);
      await refusesCreate(/it is empty/, `encrypt=file:${path}`);
      await refusesCreate(
        /invalid encrypt "yes": file:\/PATH, secret:NAME or command:\/PATH is expected/,
        'encrypt=yes',
      );
      await refusesCreate(/it is neither in/, 'encrypt=secret:gantry-test-none');
      await refusesCreate(/there is no such file/, 'encrypt=command:/nowhere/program');
    }

    test('the key comes from a command, and copies need none', async () => {
      const command = join(engine().folder, 'command');
      await writeFile(command, '#!/bin/sh\necho "key of $1"\n', { mode: 0o700 });
      await create('vault', `encrypt=command:${command}`, 'size=16m');
      await plant('vault', 'echo $t > /data/file');
      await ok('snapshot', 'create', 'vault', 'one');
      await writeFile(command, '#!/bin/sh\necho "key of vault"\n');
      await rm(command);
      await ok('clone', 'vault', 'copy');
      const failed = await gantry('export', '--decrypt', '-o', join(engine().folder, 'x.tar'), 'vault');
      assert.match(failed.stderr, /cannot be read: command/);
      await writeFile(command, '#!/bin/sh\necho "key of vault"\n', { mode: 0o700 });
      assert.equal(await sh('copy', 'cat /data/file'), planted);
      assert.equal(await isOnDisk(planted), false);
    });

    test('an export is not encrypted, and so has to be asked for', async () => {
      await create('vault', await makeKey(), 'size=16m');
      await plant('vault', 'echo $t > /data/file');
      const path = join(engine().folder, 'vault.tar');
      const { code, stderr } = await gantry('export', '-o', path, 'vault');
      assert.equal(code, 1);
      assert.match(stderr, /is encrypted, and what is exported is not: ask for that with --decrypt/);
      await ok('export', '--decrypt', '--compression=none', '-o', path, 'vault');
      assert.ok((await readFile(path)).includes(planted));
      await create('other', await makeKey());
      await ok('import', 'other', path);
      assert.equal(await sh('other', 'cat /data/file'), planted);
      await rm(path);
    });

    test('containers go on with it when the engine is killed, and it is closed after the last', async () => {
      await create('vault', await makeKey());
      await docker(
        'run',
        '-d',
        '--name=user',
        '--network=none',
        '-v',
        'vault:/data',
        image,
        'sh',
        '-c',
        'echo 1 > /data/file; sleep 1000',
      );
      await engine().stop('SIGKILL');
      await rm(keyFile());
      assert.equal((await engine().start(), await docker('exec', 'user', 'cat', '/data/file')), '1');
      await docker('rm', '-f', 'user');
      await isClosed();
      assert.notEqual((await runs('vault', 'true')).code, 0);
    });
  });
});
