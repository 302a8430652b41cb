/** Images are mounted on the host: read-only, harmless, counted, and there again after a restart. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { busyboxLayer, layerOf, ociLayout } from '../support/crafted-image.ts';
import { isOracle } from '../support/engine.ts';
import { gantryProgram } from '../support/gantry-command.ts';
import { must, run } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';

const skip = isOracle() && 'dockerd does not mount images';

engineSuite('image mount', { skip }, (engine) => {
  const [program, ...first] = gantryProgram;
  const options = () => ({ timeout: 60_000, env: { ...engine().clientEnv() } });
  const gantry = (...args: string[]) => run(program, [...first, 'image', ...args], options());
  const ok = (...args: string[]) => must(program, [...first, 'image', ...args], options());
  const inside = async (...command: string[]): Promise<string> => {
    const { code, stdout, stderr } = await engine().inside(command);
    assert.equal(code, 0, stderr);
    return stdout.trim();
  };
  const refused = async (message: RegExp, ...args: string[]): Promise<void> => {
    const { code, stderr } = await gantry(...args);
    assert.match(stderr, message);
    assert.equal(code, 1);
  };
  const load = async (): Promise<void> => {
    const layers = [
      await busyboxLayer(),
      layerOf(
        { name: 'greeting', body: 'hello' },
        { name: 'suid', body: '', mode: 0o4755 },
        { name: 'null', type: 'char', device: [1, 3], mode: 0o666 },
        { name: 'out', type: 'symlink', link: '/etc/passwd' },
      ),
      layerOf({ name: '.wh.suid' }, { name: 'suid2', body: '', mode: 0o4755 }),
    ];
    await engine().dockerOk(['load'], {
      input: ociLayout({ names: ['crafted:one', 'crafted:too'], layers, config: { Labels: { crafted: '1' } } }),
    });
  };
  const mounted = async (): Promise<string[][]> =>
    (await ok('mount'))
      .split('\n')
      .slice(1)
      .map((line) => line.split(/ +/));

  test('its files are there; nothing can be written, no device opened, no program gets rights', async () => {
    await load();
    const path = await ok('mount', 'crafted:one');
    assert.ok(path.startsWith(`${engine().paths.dataRoot}/mounts/images/`), path);
    assert.equal(await inside('cat', `${path}/greeting`), 'hello');
    assert.equal(await inside('ls', `${path}/`).then((names) => names.split('\n').includes('suid')), false);
    for (const command of [
      ['touch', `${path}/new`],
      ['cat', `${path}/null`],
      ['mount', '-o', 'remount,rw', path],
    ]) {
      const { code } = await engine().inside(command);
      assert.notEqual(code, 0, command.join(' '));
    }
    const { stdout } = await engine().inside(['findmnt', '-no', 'OPTIONS', path]);
    for (const option of ['ro', 'nosuid', 'nodev']) assert.ok(stdout.trim().split(',').includes(option), stdout);
    // Only root gets there.
    const other = await engine().inside(['setpriv', '--reuid=65534', '--clear-groups', 'ls', path]);
    assert.notEqual(other.code, 0);
    await ok('unmount', 'crafted:one');
    assert.deepEqual(await mounted(), []);
    assert.notEqual((await engine().inside(['ls', path])).code, 0);
  });

  test('counted by the image, whatever its name; listed; kept from being removed', async () => {
    await load();
    const path = await ok('mount', 'crafted:one');
    assert.equal(await ok('mount', 'crafted:too'), path);
    assert.deepEqual(
      (await mounted()).map(([, , count, at]) => [count, at]),
      [['2', path]],
    );
    const id = await engine().dockerOk(['image', 'inspect', '--format', '{{.Id}}', 'crafted:one']);
    for (const words of [
      ['rmi', '-f', id],
      ['rmi', 'crafted:one', 'crafted:too'],
    ]) {
      const { code, stderr } = await engine().docker(words);
      assert.equal(code, 1, words.join(' '));
      assert.match(stderr, /\(cannot be forced\) - image is mounted at \/\S+$/m);
    }
    await engine().dockerOk(['image', 'prune', '-af', '--filter', 'label=crafted']);
    assert.equal(await inside('cat', `${path}/greeting`), 'hello');
    await ok('unmount', id);
    assert.equal(await inside('cat', `${path}/greeting`), 'hello');
    await ok('umount', id);
    await refused(/is not mounted/, 'unmount', id);
    await refused(/No such image: none:latest/, 'mount', 'none');
    await refused(/does not match the specified platform|platform/, 'mount', '--platform=linux/s390x', id);
    await engine().dockerOk(['rmi', '-f', id]);
  });

  test('a process in there keeps it, but not from force', async () => {
    await load();
    const path = await ok('mount', 'crafted:one');
    const inUse = await engine().inside([
      'sh',
      '-c',
      `cd '${path}' && exec ${[program, ...first, '-H', `unix://${engine().paths.socket}`].join(' ')} image unmount crafted:one`,
    ]);
    assert.match(inUse.stderr, /is in use by a process/);
    assert.equal(await inside('cat', `${path}/greeting`), 'hello');
    await ok('mount', 'crafted:one');
    await ok('unmount', '--force', 'crafted:one');
    assert.deepEqual(await mounted(), []);
  });

  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    test(`there again after a restart by ${signal}, with its count; also what was unmounted meanwhile`, async () => {
      await load();
      const path = await ok('mount', 'crafted:one');
      await ok('mount', 'crafted:one');
      await engine().stop(signal);
      assert.equal(await inside('cat', `${path}/greeting`), 'hello');
      await inside('umount', path);
      await engine().start();
      assert.equal(await inside('cat', `${path}/greeting`), 'hello');
      await engine().stop(signal);
      await engine().start();
      assert.deepEqual(
        (await mounted()).map(([, , count, at]) => [count, at]),
        [['2', path]],
      );
      await ok('unmount', '--all');
      assert.deepEqual(await mounted(), []);
    });
  }
});
