/** A lock says what images, files of addresses and commits the sources of a build are. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { withBuildx } from '../support/buildx.ts';
import { isOracle } from '../support/engine.ts';
import { gantryProgram } from '../support/gantry-command.ts';
import { testImage } from '../support/images.ts';
import { startRegistry } from '../support/registry.ts';
import { run, type RunResult } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';
import { emptyFolder, folder, lines } from './_build-folder.ts';
import { buildxOf } from './_buildx.ts';
import { busybox } from './_docker.ts';
import { serveFiles } from './_file-server.ts';

interface LockJson {
  readonly sources: readonly Readonly<Record<string, string>>[];
}

engineSuite('locks of builds', { skip: isOracle() && 'dockerd has no locks', prepare: withBuildx }, (engine) => {
  const { docker, build: buildx, built: builtx } = buildxOf(engine);
  const [program, ...first] = gantryProgram;
  const build = (...args: readonly string[]): Promise<RunResult> =>
    run(program, [...first, 'build', '--progress=plain', ...args], { env: engine().clientEnv(), timeout: 60_000 });
  const built = async (...args: readonly string[]): Promise<string> => {
    const { code, stderr } = await build(...args);
    assert.equal(code, 0, stderr);
    return stderr;
  };
  const refused = async (...args: readonly string[]): Promise<string> => {
    const { code, stderr } = await build(...args);
    assert.equal(code, 1, stderr);
    return stderr;
  };
  const cat = (...files: readonly string[]): Promise<string> =>
    docker.ok('run', '--rm', 'locked:1', 'sh', '-c', `cat ${files.join(' ')}`);
  const sourcesIn = async (path: string): Promise<LockJson['sources']> =>
    (JSON.parse(await readFile(path, 'utf8')) as LockJson).sources;

  /** A folder that is served: a file, and a repository with one commit. */
  async function served(t: TestContext) {
    const path = await folder(t, { 'plain.txt': 'one\n' });
    const work = join(path, 'work');
    const git = (...args: readonly string[]): string => {
      const identity = ['-c', 'user.name=t', '-c', 'user.email=t@example.com'];
      return execFileSync('git', [...identity, ...args], { cwd: work, encoding: 'utf8', stdio: 'pipe' }).trim();
    };
    await mkdir(work);
    const commit = async (text: string): Promise<string> => {
      await writeFile(join(work, 'text'), text);
      git('add', '.');
      git('commit', '-qm', text);
      return git('rev-parse', 'HEAD');
    };
    git('init', '-q', '-b', 'main', '.');
    const one = await commit('one\n');
    git('clone', '-q', '--bare', '.', '../repo.git');
    git('remote', 'add', 'served', '../repo.git');
    const server = await serveFiles(engine().namespaces, path);
    t.after(() => server[Symbol.asyncDispose]());
    return { path, server, one, two: async () => [await commit('two\n'), git('push', '-q', 'served', 'main')][0] };
  }

  test('files and repositories stay what they were; what is something else now, or not named, is refused', async (t) => {
    const { server, path, one, two } = await served(t);
    const dockerfile = lines(
      `FROM ${busybox}`,
      `ADD ${server.address}/plain.txt?token=hidden-word /file`,
      `ADD ${server.git}/repo.git#main /repo`,
    );
    const context = await folder(t, { Dockerfile: dockerfile });
    const lock = join(context, 'Dockerfile.lock');
    assert.match(await refused('--locked', context), /--locked: .*Dockerfile\.lock is not there/);
    await built('-t', 'locked:1', `--lock=${lock}`, context);
    const text = await readFile(lock, 'utf8');
    assert.doesNotMatch(text, /hidden-word/);
    const sources = await sourcesIn(lock);
    assert.deepEqual(
      sources.map(({ type, name }) => [type, name]),
      [
        ['image', `docker.io/${busybox}`],
        ['git', `${server.git}/repo.git`],
        ['http', `${server.address}/plain.txt`],
      ],
    );
    assert.equal(sources[1]?.['commit'], one);
    const second = await two();
    await built('-t', 'locked:1', '--no-cache', '--locked', context);
    assert.equal(await cat('/file', '/repo/text'), 'one\none');
    assert.equal(await readFile(lock, 'utf8'), text);

    await writeFile(join(path, 'plain.txt'), 'two\n');
    await docker.ok('builder', 'prune', '-af');
    const mismatch = new RegExp(
      `plain\\.txt is not what .*Dockerfile\\.lock says: expected ${sources[2]?.['digest']}, got`,
    );
    assert.match(await refused('--locked', context), mismatch);
    assert.match(await refused(`--lock=${lock}`, context), mismatch);
    assert.equal(await readFile(lock, 'utf8'), text, 'a build that failed changes nothing');
    await built('-t', 'locked:1', '--lock-update', context);
    assert.equal(await cat('/file', '/repo/text'), 'two\ntwo');
    assert.equal((await sourcesIn(lock))[1]?.['commit'], second);

    await writeFile(join(context, 'Dockerfile'), `${dockerfile}ADD ${server.address}/moved /moved\n`);
    assert.match(await refused('--locked', context), /Dockerfile\.lock does not name the file http.*\/moved/);
    await built(`--lock=${lock}`, context);
    assert.deepEqual((await sourcesIn(lock)).length, 4);
    await built('--locked', context);

    // buildx has no flag for it: a build argument says that the file beside the Dockerfile counts.
    const metadata = join(emptyFolder(t), 'metadata.json');
    await builtx(context, '--build-arg=GANTRY_LOCK=locked', `--metadata-file=${metadata}`, '-t', 'locked:1');
    await writeFile(join(path, 'plain.txt'), 'three\n');
    await docker.ok('builder', 'prune', '-af');
    const other = await buildx(context, '--build-arg=GANTRY_LOCK=locked');
    assert.match(other.stderr, /plain\.txt is not what Dockerfile\.lock says/);
    await builtx(context, '--build-arg=GANTRY_LOCK=renew', `--metadata-file=${metadata}`);
    const told = JSON.parse(await readFile(metadata, 'utf8')) as { 'gantry.lock': LockJson };
    assert.equal(told['gantry.lock'].sources.length, 4);
    // The classic builder of docker, by POST /build.
    const classic = (mode: string) =>
      engine().docker(['build', `--build-arg=GANTRY_LOCK=${mode}`, context], {
        env: { ...engine().clientEnv(), DOCKER_BUILDKIT: '0' },
        timeout: 60_000,
      });
    assert.match((await classic('locked')).stderr, /plain\.txt is not what Dockerfile\.lock says/);
    assert.match((await classic('update')).stderr, /POST \/build does not give a lock back: expected locked/);
    await rm(lock);
    assert.match((await classic('locked')).stderr, /open Dockerfile\.lock: no such file or directory/);
  });

  test('an image is the one of the lock, whatever its name means now', async (t) => {
    await using registry = await startRegistry(engine().namespaces);
    const { reference, digest } = await registry.push(await testImage('busybox'), 'base');
    const context = await folder(t, { Dockerfile: lines(`FROM ${reference} AS base`, 'FROM base', 'RUN echo 1 > /1') });
    const lock = join(context, 'x.lock');
    await built(`--lock=${lock}`, context);
    const [source] = await sourcesIn(lock);
    assert.deepEqual([source?.['name'], source?.['digest']], [reference, digest]);
    assert.match(source?.['platform'] ?? '', /^linux\//);
    // The name means something else now, here and at its registry.
    const other = await folder(t, { Dockerfile: lines(`FROM ${reference}`, 'RUN echo other > /other') });
    await builtx(other, '-t', reference, '--push', '--provenance=false');
    await built('-t', 'locked:1', '--pull', `--lock=${lock}`, '--locked', context);
    assert.match((await docker('run', '--rm', 'locked:1', 'cat', '/other')).stderr, /No such file/);
    // Neither when the engine has none of it any more.
    await docker.ok('image', 'rm', '-f', 'locked:1', reference);
    await docker.ok('image', 'prune', '-f');
    await docker.ok('builder', 'prune', '-af');
    await built('-t', 'locked:1', `--lock=${lock}`, '--locked', context);
    assert.match((await docker('run', '--rm', 'locked:1', 'cat', '/other')).stderr, /No such file/);
    const gone = `sha256:${'0'.repeat(64)}`;
    await writeFile(lock, (await readFile(lock, 'utf8')).replace(digest, gone));
    assert.match(await refused(`--lock=${lock}`, '--locked', context), new RegExp(`base@${gone}`));
    await writeFile(lock, '{"version":7}');
    assert.match(await refused(`--lock=${lock}`, context), /x\.lock: version 7 is not known: expected 1/);
    assert.match(await refused('--locked', '--lock-update', context), /exclude each other/);
    assert.ok(existsSync(lock));
  });
});
