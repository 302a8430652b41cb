/** `gantry cp`, `diff`, `export` and `commit` beside the stock docker client, on the same engine. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { dockerClient } from '../support/docker-client.ts';
import { isOracle } from '../support/engine.ts';
import { gantryProgram } from '../support/gantry-command.ts';
import { must, run } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';
import { busybox, dockerOf } from './_docker.ts';

const skip = isOracle() && 'dockerd is not for the own command line';

/** What is on both sides before each copy. `H` is a folder of the host, `C` the container. */
const hostTree =
  'mkdir -p dir/sub empty; echo file > file; echo deep > dir/sub/deep; ln -s file link; ln -s dir to-dir; chmod 640 file; ln -s ../file dir/up';
const containerTree =
  'mkdir -p /c/dir/sub /c/empty; echo inner > /c/file; echo deep > /c/dir/sub/deep; ln -s file /c/link; ln -s /c/dir /c/to-dir';

/** Every copy is made once by docker and once by gantry. */
const copies = [
  'H/file C:/c',
  'H/file C:/c/',
  'H/file C:/c/new',
  'H/file C:/c/new/',
  'H/file C:/c/file',
  'H/file C:/c/link',
  'H/file C:/c/to-dir',
  'H/file C:/missing/new',
  'H/file C:c/relative',
  'H/link C:/c/new',
  '-L H/link C:/c/new',
  '-L H/to-dir C:/c',
  'H/to-dir C:/c/new',
  'H/to-dir/ C:/c',
  'H/dir C:/c',
  'H/dir C:/c/new',
  'H/dir C:/c/file',
  'H/dir/. C:/c',
  'H/dir/. C:/c/new',
  '-a H/dir C:/c/new',
  'H/missing C:/c',
  'C:/c/file H',
  'C:/c/file H/new',
  'C:/c/file H/new/',
  'C:/c/file H/file',
  'C:/c/file H/link',
  'C:/c/file H/to-dir',
  'C:/c/file H/missing/new',
  'C:/c/link H/new',
  '-L C:/c/link H/new',
  '-L C:/c/to-dir H',
  'C:/c/to-dir H/new',
  'C:/c/to-dir/ H/new',
  'C:/c/dir H',
  'C:/c/dir H/new',
  'C:/c/dir H/file',
  'C:/c/dir/. H/empty',
  'C:/c/dir/. H/new',
  'C:/c/. H/empty',
  'C:/missing H',
  'C:/c/file C:/c/other',
  'H/file H/other',
  'X:/c/file H',
  'H/file X:/c',
];

engineSuite('copying with the own command line', { skip }, (engine) => {
  const docker = dockerOf(engine);
  const programs = { docker: [dockerClient()], gantry: [...gantryProgram] } as const;
  const say = (name: keyof typeof programs, args: readonly string[], input?: string) => {
    const [program = '', ...first] = programs[name];
    return run(program, [...first, ...args], {
      timeout: 60_000,
      env: engine().clientEnv(),
      ...(input === undefined ? {} : { input }),
    });
  };
  const list = 'find . | sort | while read -r n; do echo "$n $(stat -c "%A %s %N" "$n") $(cat "$n" 2>/dev/null)"; done';

  /** docker prints what goes wrong inside its archiver, too. */
  const ownWords = (text: string): string => text.replace(/^time=.*\n/gm, '');

  /** One copy by one program, from a fresh start; what it said and what is there afterwards. */
  async function copied(name: keyof typeof programs, words: string): Promise<object> {
    const folder = await mkdtemp(join(engine().folder, 'copy-'));
    try {
      await must('sh', ['-c', `cd ${folder}; ${hostTree}`]);
      await docker.ok('exec', name, 'sh', '-c', `rm -rf /c; ${containerTree}`);
      const args = words.split(' ').map((word) => word.replace(/^H/, folder).replace(/^C:/, `${name}:`));
      const { code, stdout, stderr } = await say(name, ['cp', ...args]);
      const local = await must('sh', ['-c', `cd ${folder}; ${list}`]);
      const inside = await docker.ok('exec', name, 'sh', '-c', `cd /c; ${list}`);
      const same = (text: string): string => text.replaceAll(folder, 'H').replaceAll(name, 'NAME');
      return {
        code,
        stdout: same(stdout),
        stderr: ownWords(same(stderr)),
        local: same(local),
        inside: same(inside),
      };
    } finally {
      await rm(folder, { recursive: true });
    }
  }

  test('cp puts everything where docker puts it, and fails with the same words', async () => {
    for (const name of ['docker', 'gantry']) await docker.ok('run', '-d', '--name', name, busybox, 'sleep', '1000');
    const [expected, actual] = [new Map<string, object>(), new Map<string, object>()];
    for (const words of copies) {
      const [docked, own] = await Promise.all([copied('docker', words), copied('gantry', words)]);
      expected.set(words, docked);
      actual.set(words, own);
    }
    assert.deepEqual(actual, expected);
  });

  test('cp with archives on stdin and stdout', async () => {
    await docker.ok('run', '-d', '--name', 'one', busybox, 'sh', '-c', 'mkdir /a; echo x > /a/b; exec sleep 1000');
    const gantry = programs.gantry.join(' ');
    const env = engine().clientEnv();
    assert.equal(await must('sh', ['-c', `${gantry} cp one:/a - | tar t`], { env }), 'a/\na/b');
    await must('sh', ['-c', `${gantry} cp one:/a - | ${gantry} cp - one:/tmp`], { env });
    assert.equal(await docker.ok('exec', 'one', 'cat', '/tmp/a/b'), 'x');
    assert.match(
      (await say('gantry', ['cp', '-', 'one:/a/b'], 'x')).stderr,
      /destination "one:\/a\/b" must be a directory/,
    );
  });

  test('diff, export and commit are those of docker', async () => {
    await docker.ok('run', '-d', '--name', 'one', busybox, 'sh', '-c', 'echo x > /new; rm /bin/wget; exec sleep 1000');
    const both = async (...args: string[]) => [await say('docker', args), await say('gantry', args)] as const;
    const words = ({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }) => ({
      code,
      stdout,
      stderr: stderr.replaceAll('gantry', 'docker'),
    });
    for (const args of [
      ['diff', 'one'],
      ['diff', 'nobody'],
      ['export', 'nobody'],
      ['commit', 'nobody'],
      ['commit', 'one', 'UPPER'],
    ]) {
      const [expected, actual] = await both(...args);
      assert.deepEqual(words(actual), words(expected), args.join(' '));
    }
    const folder = await mkdtemp(join(engine().folder, 'export-'));
    try {
      const file = join(folder, 'root.tar');
      assert.equal((await say('gantry', ['export', '-o', file, 'one'])).stderr, '');
      assert.match(await must('tar', ['tf', file]), /^new$/m);
      assert.match(
        (await say('gantry', ['export', '-o', join(folder, 'no/x'), 'one'])).stderr,
        /failed to export container: invalid output path/,
      );
    } finally {
      await rm(folder, { recursive: true });
    }
    const made = await say('gantry', ['commit', '-m', 'why', '-c', 'CMD ["cat", "/new"]', 'one', 'made:1']);
    assert.match(made.stdout, /^sha256:[0-9a-f]{64}\n$/);
    assert.equal(await docker.ok('run', '--rm', 'made:1'), 'x');
  });
});
