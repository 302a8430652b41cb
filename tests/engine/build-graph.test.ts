/** What a build would do is printed, and not done. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withBuildx } from '../support/buildx.ts';
import { isOracle } from '../support/engine.ts';
import { gantryProgram } from '../support/gantry-command.ts';
import { run, type RunResult } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';
import { folder, lines } from './_build-folder.ts';
import { buildxOf } from './_buildx.ts';
import { busybox } from './_docker.ts';

engineSuite('graphs of builds', { skip: isOracle() && 'dockerd prints none', prepare: withBuildx }, (engine) => {
  const { docker } = buildxOf(engine);
  const [program, ...first] = gantryProgram;
  const gantry = (...args: readonly string[]): Promise<RunResult> =>
    run(program, [...first, 'build', ...args], { env: engine().clientEnv(), timeout: 60_000 });

  test('a graph is printed as text, JSON and a drawing, and nothing of it is done', async (t) => {
    const context = await folder(t, {
      Dockerfile: lines(
        `FROM ${busybox} AS make`,
        'RUN echo never-done > /x',
        'FROM registry.invalid/nobody/has:1',
        'COPY --from=make /x /y',
      ),
    });
    const text = await gantry('--print-graph', context);
    assert.equal(text.code, 0, text.stderr);
    assert.match(text.stdout, /^#\d+ [0-9a-f]{12} image\n {4}reference: "registry\.invalid\/nobody\/has:1"$/m);
    assert.match(text.stdout, /^#\d+ [0-9a-f]{12} run \(#\d+\)$/m);
    assert.match(text.stdout, /never-done/);
    const json = await gantry('--print-graph=json', '--target=make', context);
    const { operations } = JSON.parse(json.stdout) as { operations: { kind: string }[] };
    assert.deepEqual(
      operations.map(({ kind }) => kind),
      ['image', 'run'],
    );
    assert.match((await gantry('--print-graph=dot', context)).stdout, /^digraph build \{/);
    const several = await gantry('--print-graph', '--platform=linux/amd64,linux/arm64', '--target=make', context);
    assert.equal(several.stdout.match(/ image$/gm)?.length, 2, several.stderr);
    assert.match((await gantry('--print-graph=svg', context)).stderr, /expected text, json, dot/);
    assert.match((await gantry('--print-graph', '--check', context)).stderr, /exclude each other/);
    const { stdout } = await docker('buildx', 'build', '--call=graph', '--target=make', context);
    assert.match(stdout, /never-done/);
    const usage = (await engine().api('GET', '/system/df')).json<{ BuildCache: readonly { Type: string }[] | null }>();
    assert.ok(
      (usage.BuildCache ?? []).every(({ Type }) => Type !== 'regular'),
      'no step was carried out',
    );
    assert.match((await gantry('--print-graph', '--target=none', context)).stderr, /target stage "?none"? /);
  });
});
