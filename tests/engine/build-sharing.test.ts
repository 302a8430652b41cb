/** What builds share, keep and leave: steps made once, at most so many at a time, a budget, and nothing half after a kill. */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { startEngine, type TestEngine } from '../support/engine.ts';
import { gantryProgram } from '../support/gantry-command.ts';
import { run, type RunResult } from '../support/run.ts';
import { needsRoot } from '../support/skip.ts';
import { eventually } from '../support/wait.ts';
import { folder, lines } from './_build-folder.ts';
import { busybox } from './_docker.ts';

interface DiskUsage {
  readonly BuildCache: readonly { readonly ID: string; readonly Size: number; readonly Description: string }[] | null;
}

describe('the cache of builds', { skip: needsRoot() }, () => {
  const [program, ...first] = gantryProgram;
  const build = (engine: TestEngine, ...args: readonly string[]): Promise<RunResult> =>
    run(program, [...first, 'build', '--progress=plain', ...args], { env: engine.clientEnv(), timeout: 60_000 });
  const built = async (engine: TestEngine, ...args: readonly string[]): Promise<string> => {
    const { code, stderr } = await build(engine, ...args);
    assert.equal(code, 0, stderr);
    return stderr;
  };
  const look = (engine: TestEngine, name: string, ...words: readonly string[]): Promise<string> =>
    engine.dockerOk(['run', '--rm', name, ...words]);
  const cacheOf = async (engine: TestEngine): Promise<NonNullable<DiskUsage['BuildCache']>> =>
    (await engine.api('GET', '/system/df')).json<DiskUsage>().BuildCache ?? [];

  test('two builds that need the same step make it once; steps run at once, or as many as are allowed', async (t) => {
    await using engine = await startEngine();
    await engine.load('busybox');
    const same = await folder(t, {
      Dockerfile: lines(`FROM ${busybox}`, 'RUN cat /proc/sys/kernel/random/uuid > /id && sleep 1'),
    });
    const outputs = await Promise.all(['a', 'b', 'c'].map((tag) => built(engine, '-t', `same:${tag}`, same)));
    const ids = await Promise.all(['a', 'b', 'c'].map((tag) => look(engine, `same:${tag}`, 'cat', '/id')));
    assert.equal(new Set(ids).size, 1);
    assert.equal(outputs.filter((output) => /RUN cat .*\n#\d+ CACHED/.test(output)).length, 2);
    // Without the cache it is made again, whoever makes it.
    await built(engine, '--no-cache', '-t', 'same:d', same);
    assert.notEqual(await look(engine, 'same:d', 'cat', '/id'), ids[0]);
    const stage = (name: string): string[] => [
      `FROM ${busybox} AS ${name}`,
      'ARG ROUND',
      `RUN : ${name} $ROUND; mkdir /t; cut -d " " -f 1 /proc/uptime > /t/${name}.begin; sleep 1; cut -d " " -f 1 /proc/uptime > /t/${name}.end`,
    ];
    const parallel = await folder(t, {
      Dockerfile: lines(...stage('x'), ...stage('y'), `FROM ${busybox}`, 'COPY --from=x /t /t', 'COPY --from=y /t /t'),
    });
    const overlap = async (...flags: readonly string[]): Promise<number> => {
      await built(engine, ...flags, '-t', 'parallel:1', parallel);
      const text = await look(engine, 'parallel:1', 'sh', '-c', 'cd /t; cat x.begin x.end y.begin y.end');
      const [xBegin = 0, xEnd = 0, yBegin = 0, yEnd = 0] = text.split('\n').map(Number);
      return Math.min(xEnd, yEnd) - Math.max(xBegin, yBegin);
    };
    assert.ok((await overlap('--build-arg=ROUND=1')) > 0, 'both at the same time');
    assert.ok((await overlap('--build-arg=ROUND=2', '--jobs=1')) <= 0, 'one after the other');
    const wrong = await build(engine, '--jobs=-1', parallel);
    assert.equal(wrong.code, 1);
    const failing = await folder(t, {
      Dockerfile: lines(
        `FROM ${busybox} AS long`,
        'RUN sleep 1000',
        `FROM ${busybox}`,
        'RUN exit 3',
        'COPY --from=long /x /x',
      ),
    });
    const failed = await build(engine, failing);
    assert.equal(failed.code, 1);
    assert.match(failed.stderr, /RUN sleep 1000\n(.*\n)*#\d+ CANCELED\n/);
    assert.match(failed.stderr, /ERROR: failed to build: .*exit code: 3\n$/);
  });

  test('what is over the budget goes, what was used longest ago first', async (t) => {
    await using engine = await startEngine({ flags: ['--build-cache-budget=5m', '--log-level=info'] });
    await engine.load('busybox');
    const layer = (seed: number): Promise<string> =>
      folder(t, { Dockerfile: lines(`FROM ${busybox}`, `RUN head -c 2000000 /dev/urandom > /r; echo ${seed} > /s`) });
    for (let seed = 1; seed <= 4; seed++) await built(engine, await layer(seed));
    const sizes = async () => (await cacheOf(engine)).filter(({ Size }) => Size > 1_000_000);
    await eventually('the cache is within its budget', async () => (await sizes()).length === 2);
    const left = (await sizes()).map(({ Description }) => /echo (\d)/.exec(Description)?.[1] ?? '');
    assert.deepEqual(left.toSorted(), ['3', '4']);
    assert.match(await engine.logText(), /the build cache was over its budget/);
    await built(engine, await layer(4));
  });

  test('volumes that every command sees', async (t) => {
    await using engine = await startEngine();
    await engine.load('busybox');
    await engine.dockerOk(['run', '--rm', '-v', 'deps:/v', busybox, 'sh', '-c', 'echo known > /v/known']);
    const context = await folder(t, {
      Dockerfile: lines(
        `FROM ${busybox}`,
        'RUN cat /deps/known > /made && echo new > /deps/new; touch /ro/x || echo read-only >> /made',
      ),
    });
    await built(engine, '-t', 'volumes:1', '--build-volume=deps:/deps', '--build-volume=deps:/ro:ro', context);
    assert.equal(
      await look(engine, 'volumes:1', 'sh', '-c', 'cat /made; ls -d /deps /ro 2>/dev/null || true'),
      'known\nread-only',
    );
    assert.equal(await engine.dockerOk(['run', '--rm', '-v', 'deps:/v', busybox, 'cat', '/v/new']), 'new');
    const wrong = await build(engine, '--build-volume=/etc:/etc', context);
    assert.deepEqual([wrong.code, /expected NAME:\/PATH/.test(wrong.stderr)], [1, true]);
  });

  test('a squashed image has one layer of its own, and the same files', async (t) => {
    // The stock client asks for it of such engines only.
    await using engine = await startEngine({ flags: ['--experimental'] });
    await engine.load('busybox');
    const context = await folder(t, {
      Dockerfile: lines(
        `FROM ${busybox}`,
        'RUN mkdir /d && head -c 3000000 /dev/urandom > /d/large && ln /d/large /d/link && echo one > /d/one',
        'RUN rm /d/large /bin/wget && rm -r /tmp',
        'RUN mkdir /tmp && echo new > /tmp/new',
        'COPY f /d/f',
        'RUN echo two > /d/one && rm /d/link',
        'CMD ["true"]',
      ),
      f: 'f',
    });
    await built(engine, '-t', 'plain:1', context);
    await built(engine, '-t', 'squashed:1', '--squash', context);
    const script = 'cd /; find d tmp bin | sort; cat d/one d/f tmp/new';
    const shown = (name: string) => look(engine, name, 'sh', '-c', script);
    assert.equal(await shown('squashed:1'), await shown('plain:1'));
    const layers = async (name: string): Promise<number> =>
      (JSON.parse(await engine.dockerOk(['image', 'inspect', '--format={{json .RootFS.Layers}}', name])) as string[])
        .length;
    assert.equal(await layers('squashed:1'), (await layers(busybox)) + 1);
    const sizes = await engine.dockerOk(['history', '--format={{.Size}}', 'squashed:1']);
    assert.ok(!sizes.includes('MB') || !/^[3-9]\.\d*MB$/m.test(sizes.split('\n').slice(0, 5).join('\n')), sizes);
    const classic = await engine.docker(['build', '-q', '--squash', context]);
    assert.equal(classic.code, 0, classic.stderr);
    assert.equal(await layers(classic.stdout.trim()), (await layers(busybox)) + 1);
  });

  async function killedBuild(t: TestContext, engine: TestEngine, instruction: string): Promise<void> {
    const context = await folder(t, { Dockerfile: lines(`FROM ${busybox}`, 'COPY f /f', instruction), f: 'f' });
    const data = () => readdir(join(engine.paths.dataRoot, 'containers'));
    const client = build(engine, '-t', 'killed:1', context);
    await eventually('the step runs', async () => (await data()).length > 0, { every: 5 });
    await engine.stop('SIGKILL');
    assert.notEqual((await client).code, 0);
    await engine.start();
    await eventually('nothing is left of the step', async () => (await data()).length === 0);
    assert.equal((await engine.docker(['image', 'inspect', 'killed:1'])).code, 1);
    const cached = await cacheOf(engine);
    assert.deepEqual(
      cached.map(({ Description }) => Description.replace(/^\[\S+ /, '')),
      ['COPY f /f'],
    );
    const again = await built(engine, '-t', 'killed:1', context, '--build-arg=DONE=1');
    assert.match(again, /COPY f \/f\n#\d+ CACHED/);
    assert.match(again, /RUN .*\n#\d+ DONE/);
    await look(engine, 'killed:1', 'test', '-e', '/made');
  }

  test('an engine that is killed in the middle of a step has no half of it in its cache', async (t) => {
    await using engine = await startEngine();
    await engine.load('busybox');
    await killedBuild(t, engine, 'RUN touch /half && sleep 2 && mv /half /made');
  });
});
