/** The history of builds outlives the engine. */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { withBuildx } from '../support/buildx.ts';
import { isOracle, startEngine } from '../support/engine.ts';
import { must } from '../support/run.ts';
import { needsRoot } from '../support/skip.ts';
import { eventually } from '../support/wait.ts';
import { emptyFolder, folder, lines } from './_build-folder.ts';
import { busybox, dockerOf } from './_docker.ts';

const skip = needsRoot() || (isOracle() && 'dockerd 28.5.2 lists no builds after one was deleted');

describe('the history of builds', { skip }, () => {
  test('builds are told of after a restart, however the engine ended', async (t) => {
    await using engine = await startEngine({ prepare: withBuildx });
    await engine.load('busybox');
    const docker = dockerOf(() => engine);
    const good = await folder(t, { Dockerfile: lines(`FROM ${busybox}`, 'RUN echo said-in-a-build') });
    const bad = await folder(t, { Dockerfile: lines(`FROM ${busybox}`, 'RUN echo why-it-failed; exit 7') });
    const records = async (): Promise<string[]> =>
      (await docker.ok('buildx', 'history', 'ls', '--format', '{{.Ref}} {{.Status}}')).split('\n').filter(Boolean);
    const args = ['--build-arg=API_TOKEN=planted-4711', '--build-arg=MODE=planted-open'];
    assert.equal((await docker('buildx', 'build', '-t', 'kept:1', ...args, good)).code, 0);
    assert.equal((await docker('buildx', 'build', bad)).code, 1);
    const listed = await records();
    assert.deepEqual(
      listed.map((line) => line.split(' ')[1]),
      ['Error', 'Completed'],
    );
    const [failed = '', made = ''] = listed.map((line) => line.split(' ')[0]?.split('/').at(-1) ?? '');
    const shown = await docker.ok('buildx', 'history', 'inspect', made);
    assert.match(shown, /planted-open/);
    assert.doesNotMatch(shown, /planted-4711/);
    await eventually('both are on the disk', async () => {
      const files = await readdir(join(engine.paths.dataRoot, 'build/history')).catch(() => []);
      return files.filter((name) => name.endsWith('.build')).length === 2;
    });
    await engine.stop('SIGKILL');
    await engine.start();
    assert.deepEqual(await records(), listed);
    assert.equal(await docker.ok('buildx', 'history', 'inspect', made), shown);
    assert.match((await docker('buildx', 'history', 'logs', made)).stderr, /said-in-a-build/);
    // What clients import elsewhere: an archive of all that there is of a build, also when its image has gone.
    await docker.ok('image', 'rm', 'kept:1');
    const bundle = join(emptyFolder(t), 'build.dockerbuild');
    await docker.ok('buildx', 'history', 'export', '-o', bundle, made);
    assert.match(await must('tar', ['-tzf', bundle]), /^index\.json$/m);
    const said = await must('sh', ['-c', `tar -xzOf "${bundle}"`]);
    assert.match(said, /said-in-a-build/);
    assert.doesNotMatch(said, /planted-4711/);
    await docker.ok('buildx', 'history', 'rm', made, failed);
    // A build right before an orderly end.
    assert.equal((await docker('buildx', 'build', good)).code, 0);
    await engine.stop();
    await engine.start();
    const left = await records();
    assert.deepEqual([left.length, left.some((line) => listed.includes(line))], [1, false]);
  });
});
