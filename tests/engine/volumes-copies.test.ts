/** Snapshots, clones, new names, export and import of volumes. */
import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { isOracle, seenBy } from '../support/engine.ts';
import { gantryProgram } from '../support/gantry-command.ts';
import { must, run } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';
import { tarOf, type TarMember } from '../support/tar.ts';
import { eventually } from '../support/wait.ts';

const image = 'gantry-test/busybox:1';
const skip = isOracle() && 'dockerd has no copies of volumes';

engineSuite('copies of volumes', { skip }, (engine) => {
  const [program, ...first] = gantryProgram;
  const options = () => ({ timeout: 60_000, env: { ...engine().clientEnv() } });
  const gantry = (...args: string[]) => run(program, [...first, 'volume', ...args], options());
  const ok = (...args: string[]) => must(program, [...first, 'volume', ...args], options());
  const docker = (...words: string[]) => engine().dockerOk(words);
  const sh = (volume: string, script: string) =>
    docker('run', '--rm', '--network=none', '-v', `${volume}:/data`, image, 'sh', '-c', script);
  const refused = async (message: RegExp, ...args: string[]): Promise<void> => {
    const { code, stderr } = await gantry(...args);
    assert.match(stderr, message);
    assert.equal(code, 1);
  };
  const folder = () => seenBy(engine(), join(engine().paths.dataRoot, 'volumes'));
  const volumes = async () => (await docker('volume', 'ls', '-q')).split('\n').filter(Boolean);

  test('snapshots are made, listed, restored, cloned and removed, and go with their volume', async () => {
    await docker('volume', 'create', '--label', 'a=1', 'data');
    await sh('data', 'echo one > /data/file; mkdir -m 2750 /data/sub; chown 7:8 /data/sub');
    assert.equal(await ok('snapshot', 'create', '--label', 'why=test', 'data', 'first'), 'first');
    await sh('data', 'echo two > /data/file; rmdir /data/sub');
    const named = await ok('snapshot', 'create', 'data');
    assert.match(named, /^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-\d{3}$/);
    assert.equal(await ok('snapshot', 'ls', '-q', 'data'), `first\n${named}`);
    assert.match(await ok('snapshot', 'ls', 'data'), /^VOLUME +SNAPSHOT +CREATED AT +SIZE\ndata +first .* 4B\n/);
    const one = (await engine().api('GET', '/volumes/data/snapshots/first')).json<Record<string, unknown>>();
    assert.deepEqual(
      { ...one, CreatedAt: '' },
      { Name: 'first', Volume: 'data', CreatedAt: '', Labels: { why: 'test' }, Size: 4 },
    );
    await refused(/has a snapshot with the name first already/, 'snapshot', 'create', 'data', 'first');
    await refused(/"..\/x" is no name for a snapshot/, 'snapshot', 'create', 'data', '../x');
    await refused(/volume data has no snapshot "none"/, 'snapshot', 'restore', 'data', 'none');
    await refused(/get none: no such volume/, 'snapshot', 'create', 'none');

    assert.equal(await ok('clone', '--snapshot', 'first', 'data', 'copy'), 'copy');
    assert.equal(await sh('copy', 'cat /data/file; stat -c "%a %u:%g" /data/sub'), 'one\n2750 7:8');
    assert.equal(await docker('volume', 'inspect', '--format={{.Labels.a}}', 'copy'), '1');
    await ok('snapshot', 'restore', 'data', 'first');
    assert.equal(await sh('data', 'cat /data/file; stat -c "%a %u:%g" /data/sub'), 'one\n2750 7:8');
    assert.equal(await ok('snapshot', 'rm', 'data', 'first'), 'first');
    assert.equal(await ok('snapshot', 'ls', '-q', 'data'), named);
    await engine().stop('SIGKILL');
    await engine().start();
    assert.equal(await ok('snapshot', 'ls', '-q', 'data'), named);
    const df = (await engine().api('GET', '/system/df')).json<{
      Volumes: { Name: string; UsageData: { Size: number } }[];
    }>();
    assert.equal(df.Volumes.find(({ Name }) => Name === 'data')?.UsageData.Size, 8);
    await docker('volume', 'rm', 'data', 'copy');
    assert.deepEqual(await readdir(folder()), []);
  });

  test('a container that writes is halted shortly, and its files are those of one moment', async () => {
    // Two files that always have the same content but for the moment between two renames.
    const put = (name: string) => `echo $i > /data/next; mv /data/next /data/${name}`;
    const script = `i=0; while :; do i=$((i+1)); ${put('a')}; ${put('b')}; done`;
    await docker('run', '-d', '--name=writer', '--network=none', '-v', 'live:/data', image, 'sh', '-c', script);
    for (let round = 0; round < 5; round++) {
      await ok('clone', 'live', `live${round}`);
      const [a, b] = (await sh(`live${round}`, 'cat /data/a /data/b')).split('\n').map(Number);
      assert.ok(a !== undefined && b !== undefined && (a === b || a === b + 1), `${a} ${b}`);
    }
    await refused(/containers run with the volume: stop them first/, 'import', 'live', await archive());
    await ok('snapshot', 'create', 'live', 'now');
    await refused(/restore live: containers run with the volume/, 'snapshot', 'restore', 'live', 'now');
    await refused(/rename live: volume is in use/, 'rename', 'live', 'other');
    const before = Number(await docker('exec', 'writer', 'cat', '/data/b'));
    await eventually('it writes on', async () => Number(await docker('exec', 'writer', 'cat', '/data/a')) > before);
    await docker('rm', '-f', 'writer');
  });

  async function archive(...members: readonly TarMember[]): Promise<string> {
    const path = join(engine().folder, 'archive.tar');
    await writeFile(path, tarOf(members));
    return path;
  }

  test('a rename keeps labels, snapshots and files, and is refused for what is in use or taken', async () => {
    await docker('volume', 'create', '--label', 'a=1', 'old');
    await sh('old', 'echo x > /data/file');
    await ok('snapshot', 'create', 'old', 'kept');
    await docker('volume', 'create', 'taken');
    await refused(/a volume with the name taken exists already/, 'rename', 'old', 'taken');
    await refused(/includes invalid characters/, 'rename', 'old', '../x');
    await docker('create', '--name=stopped', '-v', 'old:/data', image);
    await refused(/rename old: volume is in use - \[[0-9a-f]{64}\]/, 'rename', 'old', 'new');
    await docker('rm', 'stopped');
    await ok('rename', 'old', 'new');
    assert.deepEqual((await volumes()).sort(), ['new', 'taken']);
    await engine().stop('SIGKILL');
    await engine().start();
    assert.deepEqual((await volumes()).sort(), ['new', 'taken']);
    assert.equal(
      await docker('volume', 'inspect', '--format={{.Labels.a}} {{.Mountpoint}}', 'new').then((text) =>
        text.replace(/ .*\/new\//, ' '),
      ),
      '1 _data',
    );
    assert.equal(await sh('new', 'cat /data/file'), 'x');
    assert.equal(await ok('snapshot', 'ls', '-q', 'new'), 'kept');
  });

  test('export and import keep everything, in every compression, into new and existing volumes', async () => {
    await sh(
      'data',
      'cd /data; echo x > file; ln file hard; ln -s /etc/passwd link; mkfifo -m 640 pipe; mknod -m 600 null c 1 3; ' +
        'mkdir -m 2770 sub; chown 5:6 sub file; chmod 4755 file; truncate -s 1G holes; echo y >> holes; ' +
        'touch -h -d "2001-02-03 04:05:06" link; touch -d "2011-01-01 00:00:01" sub .; chmod 1777 .',
    );
    const source = join(folder(), 'data/_data');
    await engine().inside([
      'setfattr',
      '-n',
      'user.note',
      '-v',
      'kept',
      join(engine().paths.dataRoot, 'volumes/data/_data/file'),
    ]);
    const listed = (volume: string) =>
      sh(
        volume,
        'cd /data; find . | sort | while read -r one; do stat -c "%n %f %u:%g %h %s %y %t %T" "$one"; done; cat file',
      );
    const before = await listed('data');
    for (const compression of ['none', 'gzip', 'zstd']) {
      const path = join(engine().folder, `data.${compression}`);
      await ok('export', '--compression', compression, '-o', path, 'data');
      assert.equal(await ok('import', `from-${compression}`, path), `from-${compression}`);
      assert.equal(await listed(`from-${compression}`), before, compression);
      await rm(path);
    }
    const { blocks } = await (await import('node:fs/promises')).stat(join(folder(), 'from-none/_data/holes'));
    assert.ok(blocks < 1000, `${blocks} blocks`);
    assert.ok((await readdir(source)).length > 5);
  });

  test('an archive comes in whole or not at all, and never leads out of the volume', async () => {
    await sh('data', 'echo old > /data/file');
    const untouched = async () => assert.equal(await sh('data', 'ls /data; cat /data/file'), 'file\nold');
    const added: readonly TarMember[] = [
      { name: 'new', body: 'n' },
      { name: 'file', body: 'changed' },
    ];
    const good = await archive(...added);
    await refused(
      /the volume is not empty: say whether to merge the archive into it or to replace it/,
      'import',
      'data',
      good,
    );
    await refused(/conflicting options/, 'import', '--merge', '--replace', 'data', good);
    await untouched();
    const hostile: [RegExp, readonly TarMember[]][] = [
      [
        /outside of the root/,
        [
          { name: 'new', body: 'n' },
          { name: '../../escape', body: 'x' },
        ],
      ],
      [
        /outside of the root/,
        [
          { name: 'new', body: 'n' },
          { name: 'hard', type: 'hardlink', link: '../../../../etc/passwd' },
        ],
      ],
      [/no such file/, [{ name: 'hard', type: 'hardlink', link: 'missing' }]],
    ];
    for (const [says, members] of hostile) {
      for (const mode of ['--merge', '--replace'])
        await refused(says, 'import', mode, 'data', await archive(...members));
      await refused(says, 'import', 'fresh', await archive(...members));
    }
    const cut = await archive({ name: 'new', body: 'n'.repeat(5000) });
    await writeFile(cut, (await readFile(cut)).subarray(0, 2000));
    await refused(/tar|archive/, 'import', '--merge', 'data', cut);
    await untouched();
    assert.deepEqual(await volumes(), ['data']);
    assert.deepEqual(await readdir(folder()), ['data']);
    // A link that was unpacked leads nowhere outside, whatever comes behind it.
    const outside = join(engine().folder, 'outside');
    await mkdir(outside);
    const through = (link: string) =>
      archive({ name: 'out', type: 'symlink', link }, { name: 'out/escaped', body: 'x' });
    await refused(/cannot extract "out\/escaped"/, 'import', 'linked', await through(outside));
    await ok('import', 'linked', await through('../../../../../../../..'));
    assert.equal(await sh('linked', 'cd /data; find . | sort'), '.\n./escaped\n./out');
    assert.deepEqual(await readdir(outside), []);
    await rm(outside, { recursive: true });
    await ok('import', '--merge', 'data', await archive(...added));
    assert.equal(await sh('data', 'cat /data/file /data/new'), 'changedn');
    await ok('import', '--replace', 'data', await archive({ name: 'only', body: 'o' }));
    assert.equal(await sh('data', 'ls /data'), 'only');
  });

  test('an engine that is killed in the middle leaves all of a copy or nothing, and halted containers run on', async () => {
    const fill = 'for i in $(seq 1 1500); do echo $i > /data/$i; done; dd if=/dev/zero of=/data/big bs=1M count=60';
    await sh('data', `${fill} 2>/dev/null`);
    const tar = join(engine().folder, 'whole.tar');
    await ok('export', '--compression=none', '-o', tar, 'data');
    const writes = 'while :; do date +%s%N > /data/now.new; mv /data/now.new /data/now; done';
    const all = String(1501);
    const count = (volume: string) => sh(volume, 'ls /data | grep -v now | wc -l');
    const works: readonly [string, () => Promise<unknown>][] = [
      ['clone', () => gantry('clone', 'data', 'made')],
      ['snapshot', () => gantry('snapshot', 'create', 'data', 'made')],
      ['import', () => gantry('import', 'made', tar)],
    ];
    for (let round = 0; round < 6; round++) {
      const [what, work] = works[round % works.length] as (typeof works)[number];
      await docker('run', '-d', '--name=writer', '--network=none', '-v', 'data:/data', image, 'sh', '-c', writes);
      const under = work();
      const staged = async () => (await readdir(folder())).some((name) => name.startsWith('.staging'));
      await eventually(`${what} has begun`, staged, { every: 5 });
      // No event tells of the middle: a different moment each round.
      await new Promise((resolve) => setTimeout(resolve, round * 60));
      await engine().stop('SIGKILL');
      await under;
      await engine().start();
      assert.equal((await readdir(folder())).filter((name) => name.startsWith('.')).join(), '', what);
      const before = await docker('exec', 'writer', 'cat', '/data/now');
      await eventually('the writer runs', async () => (await docker('exec', 'writer', 'cat', '/data/now')) !== before);
      await docker('rm', '-f', 'writer');
      if (what === 'snapshot') {
        const snapshots = await ok('snapshot', 'ls', '-q', 'data');
        if (snapshots !== '') {
          await ok('clone', '--snapshot', 'made', 'data', 'made');
          await ok('snapshot', 'rm', 'data', 'made');
        }
      }
      if ((await volumes()).includes('made')) {
        assert.equal(await count('made'), all, what);
        await docker('volume', 'rm', 'made');
      }
    }
    await rm(tar);
  });

  test('events tell of each, with what it was made from', async () => {
    const since = String(Math.floor(Date.now() / 1000) - 1);
    await docker('volume', 'create', 'aa');
    await ok('snapshot', 'create', 'aa', 'ss');
    await ok('clone', 'aa', 'bb');
    await ok('rename', 'bb', 'cc');
    await ok('snapshot', 'restore', 'aa', 'ss');
    await ok('snapshot', 'rm', 'aa', 'ss');
    const until = String(Math.ceil(Date.now() / 1000) + 1);
    const format =
      '{{.Action}} {{.Actor.ID}} {{.Actor.Attributes.from}} {{.Actor.Attributes.oldName}} {{.Actor.Attributes.snapshot}}';
    const lines = await docker(
      'events',
      '--since',
      since,
      '--until',
      until,
      '--filter',
      'type=volume',
      '--format',
      format,
    );
    const none = '<no value>';
    assert.deepEqual(lines.split('\n').slice(-6), [
      `create aa ${none} ${none} ${none}`,
      `snapshot aa ${none} ${none} ss`,
      `create bb aa ${none} ${none}`,
      `rename cc ${none} bb ${none}`,
      `restore aa ${none} ${none} ss`,
      `snapshot_remove aa ${none} ${none} ss`,
    ]);
  });
});
