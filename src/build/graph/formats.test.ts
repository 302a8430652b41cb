import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDockerfile } from '../dockerfile/parse.ts';
import { plainOptions } from '../plan/options.ts';
import { planBuild } from '../plan/plan.ts';
import { formatGraph } from './formats.ts';

function graphOf(text: string) {
  const file = parseDockerfile({ name: 'Dockerfile', text });
  const options = plainOptions({ os: 'linux', architecture: 'amd64' });
  const plan = planBuild({ file, options, lookUp: () => 'unknown' });
  assert.equal(plan.kind, 'plan');
  return plan.kind === 'plan' ? plan.graph : [];
}

const graph = graphOf(
  'FROM scratch AS a\nCOPY "x\\"y" /\nFROM busybox\nRUN --mount=type=tmpfs,target=/t,size=9 true\nCOPY --from=a / /a\n',
);

test('a graph is text, JSON, or a drawing', () => {
  const text = formatGraph(graph, 'text');
  assert.match(text, /^#\d+ [0-9a-f]{12} run \(#\d+\)$/m);
  const { operations } = JSON.parse(formatGraph(graph, 'json')) as {
    operations: { index: number; kind: string; inputs: number[]; title: string; line?: number; digest: string }[];
  };
  assert.equal(operations.length, graph.length);
  const run = operations.find(({ kind }) => kind === 'run');
  assert.deepEqual([run?.title, run?.line], ['[stage-1 2/3] RUN --mount=type=tmpfs,target=/t,size=9 true', 4]);
  assert.ok(operations.every(({ index, inputs }) => inputs.every((input) => input < index)));
  const dot = formatGraph(graph, 'dot');
  assert.match(dot, /^digraph build \{\n/);
  assert.ok(dot.includes(`n${run?.inputs[0]} -> n${run?.index};`));
  assert.equal(
    dot.match(/->/g)?.length,
    operations.reduce((sum, { inputs }) => sum + inputs.length, 0),
  );
});
