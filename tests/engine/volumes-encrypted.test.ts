/** Encrypted volumes, by each of the two ways: the kernel's fscrypt, and gocryptfs where a kernel has none. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { isOracle, seenBy, startEngine, type TestEngine } from '../support/engine.ts';
import { engineSuite } from '../support/suite.ts';
import { eventually } from '../support/wait.ts';
import { startWeakEngine } from '../support/weak-engine.ts';
import { volumesOf } from './_volumes.ts';

const image = 'gantry-test/busybox:1';
const skip = isOracle() && 'there is no encryption';
const program = '/usr/bin/gocryptfs';
const noProgram = !existsSync(program) && 'needs gocryptfs (package gocryptfs)';

/** Whoever serves volumes of an engine. */
async function servers(engine: TestEngine): Promise<number[]> {
  const found: number[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const words = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
    if (words[0] === program && words.some((word) => word.startsWith(engine.paths.dataRoot))) found.push(Number(pid));
  }
  return found;
}

for (const encryption of ['fscrypt', 'gocryptfs'] as const) {
  const isServed = encryption === 'gocryptfs';
  engineSuite(`volumes encrypted by ${encryption}`, { skip: skip || (isServed && noProgram) }, (engine) => {
    const { gantry, ok, docker, runs, sh, folder, create, refusesCreate } = volumesOf(
      engine,
      `encrypt-with=${encryption}`,
    );

    /** Loop devices of the engine's own files. */
    const loops = async () => {
      const names = (await readdir('/sys/block')).filter((name) => name.startsWith('loop'));
      const files = await Promise.all(
        names.map((name) => readFile(`/sys/block/${name}/loop/backing_file`, 'utf8').catch(() => '')),
      );
      return files.filter((file) => file.startsWith(engine().paths.dataRoot));
    };
    /** A client hears of the end of a container before its mounts are gone. */
    const isClosed = () =>
      eventually('nothing is mounted, nobody serves', async () => {
        return (await loops()).length === 0 && (await servers(engine())).length === 0;
      });

    const keyFile = () => join(engine().folder, 'key');
    const planted = 'a-secret-that-nobody-may-read';
    async function makeKey(text = 'correct horse\n'): Promise<string> {
      await writeFile(keyFile(), text, { mode: 0o600 });
      await chmod(keyFile(), 0o600);
      return `encrypt=file:${keyFile()}`;
    }
    /** Not by words of a command: those are in the container's record. */
    async function plant(volume: string, script: string): Promise<void> {
      await engine().dockerOk(
        ['run', '--rm', '-i', '--network=none', '-v', `${volume}:/data`, image, 'sh', '-c', `read t; ${script}`],
        { input: `${planted}\n` },
      );
      await isClosed();
    }
    /** Whether a text is anywhere in the files below the data root, in content or names; what is mounted is seen, too. */
    async function isOnDisk(text: string): Promise<boolean> {
      await isClosed();
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

    test('another key opens it afterwards, and the one before does not', async () => {
      await create('vault', await makeKey(), 'size=16m');
      await sh('vault', 'echo kept > /data/file');
      await ok('snapshot', 'create', 'vault', 'before');
      await docker('run', '-d', '--name=user', '--network=none', '-v', 'vault:/data', image, 'sleep', '1000');
      const other = join(engine().folder, 'other');
      await writeFile(other, 'other horse', { mode: 0o600 });
      assert.equal(await ok('rekey', '--to', `file:${other}`, 'vault'), 'vault');
      assert.equal(await docker('volume', 'inspect', '--format={{.Options.encrypt}}', 'vault'), `file:${other}`);
      assert.equal(await docker('exec', 'user', 'cat', '/data/file'), 'kept');
      await docker('rm', '-f', 'user');
      await isClosed();
      await engine().stop('SIGKILL');
      await engine().start();
      assert.equal(await sh('vault', 'cat /data/file'), 'kept');
      await refusesRekey(/the key of the volume vault from file \S+\/key is wrong/, '--from', `file:${keyFile()}`);
      await refusesRekey(/in the same place/);
      await refusesRekey(/invalid key "x": file:\/PATH/, '--to', 'x');
      await refusesRekey(/cannot be read: file \S+none: there is no such file/, '--to', `file:${other}-none`);
      // What is in the same place afterwards.
      await rm(keyFile());
      await makeKey('other horse');
      await writeFile(other, 'third horse');
      await ok('rekey', '--from', `file:${keyFile()}`, 'vault');
      await ok('snapshot', 'restore', 'vault', 'before');
      assert.equal(await sh('vault', 'cat /data/file'), 'kept');
      await isClosed();
      await writeFile(other, 'other horse');
      assert.match((await runs('vault', 'true')).stderr, /the key of the volume vault from file \S+ is wrong/);
      assert.deepEqual((await readdir(join(folder(), 'vault/_disk'))).toSorted(), [
        'image',
        'key.json',
        'options.json',
      ]);
      await docker('volume', 'create', 'open');
      const { stderr } = await gantry('rekey', '--to', `file:${other}`, 'open');
      assert.match(stderr, /rekey open: the volume is not encrypted/);
      await rm(other);
    });

    async function refusesRekey(says: RegExp, ...args: string[]): Promise<void> {
      const { code, stderr } = await gantry('rekey', ...args, 'vault');
      assert.match(stderr, says);
      assert.equal(code, 1);
    }

    test('secrets are in the folders that the engine is told of', async () => {
      const secrets = join(engine().folder, 'secrets');
      await mkdir(secrets);
      await writeFile(join(secrets, 'horse'), 'a secret horse', { mode: 0o600 });
      await engine().stop();
      await engine().start(['--secret-dir', secrets]);
      await create('vault', 'encrypt=secret:horse', 'size=16m');
      await sh('vault', 'echo kept > /data/file');
      await isClosed();
      await rm(secrets, { recursive: true });
      assert.match((await runs('vault', 'true')).stderr, /secret horse: it is neither in \S+\/secrets$/m);
      await docker('volume', 'rm', 'vault');
      await engine().stop();
      await engine().start();
      // Has what the engine mounts for images mounted again.
      await sh('open', 'true');
    });

    test('files have owners, modes, links, holes and attributes as in any volume', async () => {
      await create('vault', await makeKey(), 'size=64m');
      const make =
        'cd /data; echo x > file; ln file hard; ln -s /etc/passwd link; mkfifo -m 640 pipe; mknod -m 600 null c 1 3; ' +
        'mkdir -m 2770 sub; chown 5:6 sub file; chmod 4755 file; truncate -s 20M holes; echo y >> holes; ' +
        'touch -d "2011-01-01 00:00:01" sub; chmod 1777 .; echo z > null; ' +
        `mkdir -p ${'long'.repeat(50)}; echo deep > ${'long'.repeat(50)}/file`;
      const look =
        'cd /data; find . ! -name . | sort | while read -r one; do stat -c "%n %f %u:%g %h %t %T" "$one"; done; ' +
        'stat -c "%f %y" sub; stat -c %s holes; cat file hard long*/file; stat -c %a .; [ $(stat -c %b holes) -lt 100 ]';
      await sh('vault', make);
      await sh('plain', make);
      assert.equal(await sh('vault', look), await sh('plain', look));
      // Users other than root see what their modes let them see.
      const asOther = (script: string) =>
        engine().docker(['run', '--rm', '-u', '7:7', '-v', 'vault:/data', image, 'sh', '-c', script]);
      assert.equal((await asOther('touch /data/mine; stat -c %u:%g /data/mine')).stdout.trim(), '7:7');
      assert.match((await asOther('ls /data/sub')).stderr, /Permission denied/);
      const { stdout } = await engine().docker(['volume', 'inspect', '--format={{.Status.Encryption}}', 'vault']);
      assert.equal(stdout.trim(), encryption);
    });

    test('who serves it lives as long as somebody uses it', { skip: !isServed && 'the kernel serves it' }, async () => {
      await create('vault', await makeKey(), 'size=16m');
      await docker('run', '-d', '--name=user', '--network=none', '-v', 'vault:/data', image, 'sleep', '1000');
      await docker('exec', 'user', 'sh', '-c', 'echo kept > /data/file');
      const before = await servers(engine());
      assert.equal(before.length, 1);
      await engine().stop('SIGKILL');
      await engine().start();
      assert.equal(await sh('vault', 'cat /data/file'), 'kept');
      assert.deepEqual(await servers(engine()), before);
      // Killed by somebody: it is not mended below the containers, and said.
      process.kill(before[0] ?? 0, 'SIGKILL');
      await eventually('it is gone', async () => (await servers(engine())).length === 0);
      assert.notEqual((await engine().docker(['exec', 'user', 'cat', '/data/file'])).code, 0);
      const { code, stderr } = await runs('vault', 'true');
      assert.equal(code, 125);
      assert.match(
        stderr,
        /mount vault: the program that decrypts it has ended: stop the containers that run with it - \[/,
      );
      await docker('restart', '-t', '0', 'user');
      assert.equal(await docker('exec', 'user', 'cat', '/data/file'), 'kept');
      await docker('rm', '-f', 'user');
      await isClosed();
    });
  });
}

describe('the choice of an encryption', { skip: skip || noProgram }, () => {
  async function created(engine: TestEngine, ...options: string[]) {
    await engine.load('busybox');
    const key = join(engine.folder, 'key');
    await writeFile(key, 'correct horse', { mode: 0o600 });
    const words = [`encrypt=file:${key}`, 'size=16m', ...options].flatMap((word) => ['-o', word]);
    const { code, stderr } = await engine.docker(['volume', 'create', ...words, 'vault']);
    if (code !== 0) return stderr;
    const script = 'echo kept > /data/file; cat /data/file';
    const kept = await engine.dockerOk(['run', '--rm', '-v', 'vault:/data', image, 'sh', '-c', script]);
    return `${kept} ${await engine.dockerOk(['volume', 'inspect', '--format={{.Status.Encryption}}', 'vault'])}`;
  }

  test('it is the kernel where that can do it, and gocryptfs where not', async () => {
    await using strong = await startEngine();
    assert.equal(await created(strong), 'kept fscrypt');
    await using weak = await startWeakEngine('no fscrypt');
    assert.match(await created(weak, 'encrypt-with=fscrypt'), /needs a kernel that has it for ext4/);
    assert.equal(await created(weak), 'kept gocryptfs');
  });

  test('a host that has neither is told what to install', async () => {
    await using weak = await startWeakEngine('no encryption');
    assert.match(
      await created(weak),
      /needs a kernel that has it .*, or gocryptfs, and gocryptfs \(package gocryptfs\) is not installed/,
    );
    assert.match(await created(weak, 'encrypt-with=gocryptfs'), /gocryptfs \(package gocryptfs\) is not installed/);
    assert.match(
      await created(weak, 'encrypt-with=luks'),
      /invalid encrypt-with "luks": fscrypt or gocryptfs is expected/,
    );
    assert.deepEqual(await readdir(seenBy(weak, join(weak.paths.dataRoot, 'volumes'))), []);
  });
});
