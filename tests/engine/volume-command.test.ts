/** Every `docker volume` command and flag of the stock client, and what the options of the driver `local` do. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { isOracle } from '../support/engine.ts';
import { gantryProgram } from '../support/gantry-command.ts';
import { must } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';
import { busybox, dockerOf } from './_docker.ts';

engineSuite('the volume commands of the stock client', {}, (engine) => {
  const docker = dockerOf(engine);
  const volume = (...words: string[]) => docker.ok('volume', ...words);
  const fails = async (says: RegExp, ...words: string[]): Promise<string> => {
    const { code, stdout, stderr } = await docker('volume', ...words);
    assert.equal(code, 1, `${words.join(' ')}: ${stdout}`);
    assert.match(stderr, says);
    return stdout.trim();
  };
  const shell = (script: string, ...flags: string[]) => docker.ok('run', '--rm', ...flags, busybox, 'sh', '-c', script);
  const names = async (...flags: string[]) =>
    (await volume('ls', '-q', ...flags)).split('\n').filter(Boolean).toSorted();

  test('create: names, drivers, labels, options', async () => {
    assert.equal(await volume('create', '--name', 'by-flag'), 'by-flag');
    assert.equal(await volume('create', '--driver=local', '--label', 'a=1', '--label', 'b', 'labelled'), 'labelled');
    assert.equal(
      await volume('create', '-d', 'local', '-o', 'type=tmpfs', '-o', 'device=tmpfs', '-o', 'o=size=1m', 'mem'),
      'mem',
    );
    assert.match(await volume('create'), /^[0-9a-f]{64}$/);
    const [view] = JSON.parse(await volume('inspect', 'labelled')) as [{ Labels: object; Options: object | null }];
    assert.deepEqual([view.Labels, view.Options], [{ a: '1', b: '' }, null]);
    assert.equal(
      await volume('inspect', '-f', '{{json .Options}}', 'mem'),
      '{"device":"tmpfs","o":"size=1m","type":"tmpfs"}',
    );
    // The same name again is the same volume, whatever else is asked.
    assert.equal(
      await volume('create', '--label', 'c=3', '-o', 'type=tmpfs', '-o', 'device=x', 'labelled'),
      'labelled',
    );
    assert.equal(
      await volume('inspect', '-f', '{{json .Labels}} {{json .Options}}', 'labelled'),
      '{"a":"1","b":""} null',
    );
    await fails(/conflicting options/, 'create', '--name', 'one', 'two');
    await fails(/create ok: invalid option: "colour"/, 'create', '-o', 'colour=red', 'ok');
    await fails(/create ok: missing required option: "device"/, 'create', '-o', 'type=nfs', 'ok');
    await fails(/create ok: missing required option: "(device|type)"/, 'create', '-o', 'o=ro', 'ok');
    // Gantry has limits: there it is a volume, and everything else is as for any.
    if (isOracle())
      await fails(/create ok: quota size requested but no quota support/, 'create', '-o', 'size=1m', 'ok');
    else assert.equal(await volume('create', '-o', 'size=1m', 'ok'), 'ok');
    await fails(
      /port not allowed in CIFS device URL, include 'port' in 'o='/,
      'create',
      '-o',
      'type=cifs',
      '-o',
      'device=//host:99/x',
      'ok2',
    );
    await fails(
      /swarm/i,
      'create',
      '--scope=single',
      '--group=g',
      '--type=mount',
      '--sharing=all',
      '--availability=active',
      'c',
    );
    await fails(
      /swarm/i,
      'create',
      '--type=block',
      '--required-bytes=1m',
      '--limit-bytes=2m',
      '--secret=a=b',
      '--topology-preferred=x=y',
      '--topology-required=x=y',
      'c',
    );
  });

  test('ls: filters, formats, -q; inspect; rm', async () => {
    await volume('create', '--label', 'team=blue', 'first');
    await volume('create', '--label', 'team=red', 'second');
    await docker.ok('create', '--name=holder', '-v', 'second:/v', busybox);
    assert.equal(await volume('ls'), 'DRIVER    VOLUME NAME\nlocal     first\nlocal     second');
    assert.deepEqual(await names('--filter', 'dangling=true'), ['first']);
    assert.deepEqual(await names('--filter', 'dangling=false'), ['second']);
    assert.deepEqual(await names('--filter', 'dangling=1', '--filter', 'dangling=0').catch(() => []), []);
    assert.deepEqual(await names('--filter', 'driver=local'), ['first', 'second']);
    assert.deepEqual(await names('--filter', 'driver=other'), []);
    assert.deepEqual(await names('--filter', 'label=team'), ['first', 'second']);
    assert.deepEqual(await names('--filter', 'label=team=red'), ['second']);
    assert.deepEqual(await names('--filter', 'label=team=red', '--filter', 'label=other'), []);
    assert.deepEqual(await names('--filter', 'name=sec'), ['second']);
    assert.deepEqual(await names('--filter', 'name=^first$'), ['first']);
    assert.deepEqual(await names('--filter', 'name=first', '--filter', 'name=second'), ['first', 'second']);
    await fails(/invalid filter 'colour'/, 'ls', '--filter', 'colour=red');
    await fails(/invalid filter 'dangling=\[?maybe\]?'/, 'ls', '--filter', 'dangling=maybe');
    const line =
      '{{.Name}}|{{.Driver}}|{{.Scope}}|{{.Labels}}|{{.Label "team"}}|{{.Links}}|{{.Size}}|{{.Status}}|{{.Availability}}|{{.Group}}';
    assert.equal(
      await volume('ls', '-f', 'name=first', '--format', line),
      'first|local|local|team=blue|blue|N/A|N/A|N/A|N/A|N/A',
    );
    const json = JSON.parse(await volume('ls', '-f', 'name=first', '--format', 'json')) as { Name: string };
    assert.equal(json.Name, 'first');
    assert.equal(await volume('ls', '--format', 'table {{.Name}}', '-f', 'name=first'), 'VOLUME NAME\nfirst');
    if (!isOracle()) await listsSizes();
    assert.match(await volume('ls', '--cluster'), /^VOLUME NAME\s+GROUP\s+DRIVER\s+AVAILABILITY\s+STATUS$/);
    assert.equal(
      await volume('inspect', '--format', '{{.Name}} {{.Scope}}', 'first', 'second'),
      'first local\nsecond local',
    );
    assert.equal(await fails(/get none: no such volume/i, 'inspect', '-f', '{{.Name}}', 'first', 'none'), 'first');
    assert.equal(await fails(/get none: no such volume/i, 'rm', 'none', 'first'), 'first');
    await fails(/remove second: volume is in use - \[[0-9a-f]{64}\]/, 'rm', 'second');
    await fails(/remove second: volume is in use/, 'rm', '-f', 'second');
    assert.equal(await volume('rm', '--force', 'none'), 'none');
    await fails(/no such volume/i, 'update', '--availability=drain', 'none');
    await fails(/can only update cluster volumes/, 'update', '--availability=drain', 'second');
    assert.equal((await engine().api('PUT', '/volumes/second?version=1', { Spec: null })).status, 503);
  });

  /** An addition of Gantry. */
  async function listsSizes(): Promise<void> {
    await docker.ok('run', '--rm', '-v', 'first:/v', busybox, 'sh', '-c', 'head -c 3000 /dev/zero > /v/file');
    await volume('create', '-o', 'type=tmpfs', '-o', 'device=tmpfs', 'third');
    const [program, ...words] = gantryProgram;
    const sized = (...args: string[]) =>
      must(program, [...words, 'volume', 'ls', '--size', ...args], { env: { ...engine().clientEnv() } });
    const lines = ['DRIVER VOLUME NAME LINKS SIZE', 'local first 0 3kB', 'local second 1 0B', 'local third N/A N/A'];
    assert.deepEqual(
      (await sized()).split('\n').map((line) => line.trim().replaceAll(/ +/g, ' ')),
      lines,
    );
    assert.equal(await sized('-f', 'name=first', '--format', '{{.Name}} {{.Size}}'), 'first 3kB');
    await volume('rm', 'third');
  }

  test('prune: asks, anonymous ones or all, by label; mounts of the host stay', async () => {
    const anonymous = await volume('create');
    await volume('create', '--label', 'keep', 'kept');
    await volume('create', 'plain');
    await volume('create', '-o', 'type=tmpfs', '-o', 'device=tmpfs', 'mounted');
    await shell('echo 12345 > /v/file', '-v', 'plain:/v');
    const asked = await docker.fed('n\n', 'volume', 'prune');
    assert.match(asked.stdout, /WARNING! This will remove anonymous local volumes not used by at least one container/);
    assert.equal(asked.code, 0);
    assert.equal(await volume('prune', '-f'), `Deleted Volumes:\n${anonymous}\n\nTotal reclaimed space: 0B`);
    assert.match((await docker.fed('n\n', 'volume', 'prune', '--all')).stdout, /remove all local volumes not used/);
    assert.equal(
      await volume('prune', '-f', '-a', '--filter', 'label!=keep'),
      'Deleted Volumes:\nplain\n\nTotal reclaimed space: 6B',
    );
    assert.equal(
      await volume('prune', '-f', '--filter', 'all=1', '--filter', 'label=keep'),
      'Deleted Volumes:\nkept\n\nTotal reclaimed space: 0B',
    );
    assert.deepEqual(await names(), ['mounted']);
    await fails(
      /conflicting options: cannot specify both --all and --filter all=1/,
      'prune',
      '-a',
      '--filter',
      'all=1',
      '-f',
    );
    await fails(/invalid filter 'driver'/, 'prune', '-f', '--filter', 'driver=local');
  });

  test('system df has the sizes of what the engine keeps itself', async () => {
    await shell('head -c 5000 /dev/zero > /v/file', '-v', 'sized:/v');
    await volume('create', '-o', 'type=tmpfs', '-o', 'device=tmpfs', 'mounted');
    await docker.ok('create', '--name=holder', '-v', 'sized:/v', busybox);
    type Usage = { readonly Name: string; readonly UsageData: { Size: number; RefCount: number } };
    const { Volumes } = (await engine().api('GET', '/v1.51/system/df?type=volume')).json<{ Volumes: Usage[] }>();
    assert.deepEqual(
      Volumes.map(({ Name, UsageData }) => [Name, UsageData.Size, UsageData.RefCount]),
      [['sized', 5000, 1]],
    );
    const table = await docker.ok('system', 'df', '-v');
    assert.match(table, /^sized\s+1\s+5kB$/m);
    const summary = await docker.ok(
      'system',
      'df',
      '--format',
      '{{.Type}} {{.TotalCount}} {{.Active}} {{.Size}} {{.Reclaimable}}',
    );
    assert.match(summary, /^Local Volumes 1 1 5kB 0B \(0%\)$/m);
  });

  test('options of local: tmpfs, binds, errors of the mount with its options but without its password', async () => {
    const folder = await mkdtemp(join(engine().folder, 'host-'));
    await writeFile(join(folder, 'file'), 'of the host\n');
    const create = (name: string, type: string, device: string, o: string) =>
      volume('create', '-o', `type=${type}`, '-o', `device=${device}`, '-o', `o=${o}`, name);
    await create('memory', 'tmpfs', 'tmpfs', 'size=1m,uid=7,mode=750,nosuid,noexec');
    const seen = await shell('stat -c "%u %a" /v; df -k /v | tail -1; grep " /v " /proc/mounts', '-v', 'memory:/v');
    assert.match(seen, /^7 750\ntmpfs\s+1024 /);
    assert.match(seen, /nosuid/);
    assert.match(seen, /noexec/);
    await create('bound', 'none', folder, 'bind');
    assert.equal(await shell('cat /v/file; echo x > /v/new', '-v', 'bound:/v'), 'of the host');
    assert.equal(await readFile(join(folder, 'new'), 'utf8'), 'x\n');
    await create('read', 'none', folder, 'bind,ro');
    assert.match(await shell('(echo x > /v/new) 2>&1; true', '-v', 'read:/v'), /Read-only/);
    const start = async (name: string, says: RegExp) => {
      const { code, stderr } = await docker('run', '--rm', '-v', `${name}:/v`, busybox, 'true');
      assert.notEqual(code, 0);
      assert.match(stderr, says);
      assert.doesNotMatch(stderr, /hushhush/);
    };
    await create('missing', 'none', join(folder, 'none'), 'bind');
    await start(
      'missing',
      /error while mounting volume '\S+': failed to mount local volume: mount \S+none:\S+missing\/_data.*: no such file or directory/,
    );
    await create('strange', 'nosuchfs', '/dev/null', 'a=b');
    await start('strange', /failed to mount local volume: mount \/dev\/null:\S+_data, data: a=b.*: no such device/);
    await create('share', 'cifs', '//127.0.0.1/x', 'addr=127.0.0.1,username=me,password=hushhush,vers=3.0');
    await start(
      'share',
      /failed to mount local volume: mount \/\/127.0.0.1\/x:\S+_data, data: addr=127.0.0.1,username=me,password=\*+,vers=3.0/,
    );
    await create('named', 'nfs', ':/x', 'addr=no.such.host.invalid,ro');
    await start('named', /error resolving passed in network volume address: lookup no\.such\.host\.invalid/);
    await create('local-name', 'nfs', ':/x', 'addr=localhost,soft');
    await start('local-name', /failed to mount local volume: mount :\/x:\S+_data, data: addr=127\.0\.0\.1/);
    await rm(folder, { recursive: true });
  });

  test('mountpoint is a bind of that path', { skip: isOracle() && 'an addition of Gantry' }, async () => {
    const folder = await mkdtemp(join(engine().folder, 'host-'));
    await mkdir(join(folder, 'sub'));
    await volume('create', '-o', `mountpoint=${folder}`, 'placed');
    assert.equal(await shell('ls /v', '-v', 'placed:/v'), 'sub');
    await volume('create', '-o', `mountpoint=${folder}`, '-o', 'o=ro', 'read');
    assert.match(await shell('(echo x > /v/new) 2>&1; true', '-v', 'read:/v'), /Read-only/);
    await volume('create', '-o', `mountpoint=${folder}/none`, 'missing');
    const { stderr } = await docker('run', '--rm', '-v', 'missing:/v', busybox, 'true');
    assert.match(stderr, /failed to mount local volume: mount \S+none/);
    await fails(/mountpoint must be an absolute path/, 'create', '-o', 'mountpoint=here', 'relative');
    await fails(
      /exclude each other/,
      'create',
      '-o',
      'mountpoint=/x',
      '-o',
      'type=tmpfs',
      '-o',
      'device=tmpfs',
      'both',
    );
    await volume('rm', 'placed');
    assert.equal((await readFile(join(folder, 'sub/x')).catch(() => 'none')) as string, 'none');
    await rm(folder, { recursive: true });
  });
});
