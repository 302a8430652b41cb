import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { EngineError } from '../../base/errors.ts';
import { formatPlatform, parsePlatform } from '../../spec/oci/platform.ts';
import type { ImageConfig, ImageRunConfig, Platform } from '../../spec/oci/image.ts';
import { startCpuClock } from '../../../tests/support/cpu.ts';
import { goldenTests } from '../../../tests/support/golden.ts';
import { DockerfileError } from '../dockerfile/error.ts';
import { parseDockerfile } from '../dockerfile/parse.ts';
import { printedRange } from '../dockerfile/range-text.ts';
import { printGraph } from '../graph/graph.ts';
import { mergeGraphs } from '../graph/merge.ts';
import { type BuildOptions, type LookUp, plainOptions } from './options.ts';
import { type BuildPlan, planBuild } from './plan.ts';

const host = { os: 'linux', architecture: 'amd64' };

const imageOf = (config: ImageRunConfig, architecture = 'amd64'): ImageConfig => ({
  os: 'linux',
  architecture,
  config,
  rootfs: { type: 'layers', diff_ids: [] },
  history: [],
});

/** What the tests' registry has. */
const images: Readonly<Record<string, ImageConfig>> = {
  base: imageOf({ Env: ['PATH=/bin', 'FROM_BASE=yes'], WorkingDir: '/srv', User: 'app', Cmd: ['run'] }),
  plain: imageOf({}),
  arm: imageOf({}, 'arm64'),
  shell: imageOf({ Shell: ['/bin/ash', '-ec'] }),
  trigger: imageOf({ OnBuild: ['COPY . /app', 'RUN make'] }),
  deeper: imageOf({ OnBuild: ['COPY --from=trigger /a /b'] }),
  broken: imageOf({ OnBuild: ['RUN --x'] }),
};

const lookUp: LookUp = ({ reference }) => {
  const name = /^docker.io\/library\/(.*):latest$/.exec(reference)?.[1] ?? reference;
  if (name === 'unknown') return 'unknown';
  const config = images[name];
  return config === undefined ? undefined : { reference: `${reference}@sha256:${name}`, config };
};

/** Lines `@ name value` at the top set options of the build. */
function optionsIn(lines: readonly string[]): BuildOptions {
  const args = new Map<string, string>();
  const [labels, contexts] = [new Map<string, string>(), new Map<string, string>()];
  let options: BuildOptions = { ...plainOptions(host), args, labels, contexts };
  for (const line of lines) {
    const [, name = '', value = ''] = /^@ (\S+) ?(.*)$/.exec(line) ?? [];
    const [key = '', ...rest] = value.split('=');
    if (name === 'arg') args.set(key, rest.join('='));
    else if (name === 'label') labels.set(key, rest.join('='));
    else if (name === 'context') contexts.set(key, rest.join('='));
    else if (name === 'target') options = { ...options, target: value };
    else if (name === 'platform') options = { ...options, targetPlatform: parsePlatform(value, host) };
    else if (name === 'names-platform') options = { ...options, namesPlatform: true };
    else if (name === 'no-cache') options = { ...options, noCache: value === '' ? true : new Set(value.split(',')) };
    else if (name === 'network') options = { ...options, network: 'none' };
    else throw new Error(`no option ${name}`);
  }
  return options;
}

function printed(input: string): string {
  const lines = input.split('\n');
  const top = lines.findIndex((line) => !line.startsWith('@'));
  try {
    const file = parseDockerfile({ name: 'Dockerfile', text: lines.slice(top).join('\n') });
    const plan = planBuild({ file, options: optionsIn(lines.slice(0, top)), lookUp });
    if (plan.kind === 'plan') return printedPlan(plan);
    const wanted = plan.images.map(({ reference, platform }) => `wants ${reference} ${formatPlatform(platform)}`);
    return wanted.join('\n');
  } catch (error) {
    if (!(error instanceof DockerfileError)) throw error;
    return `error @${printedRange(error.range)}: ${error.message}${error.expected === undefined ? '' : `\nexpected ${error.expected}`}`;
  }
}

/** Digests change with every field of a definition: the tests of digests are about them. */
function printedPlan({ graph, result, image, target, contextPaths }: BuildPlan): string {
  const titles = graph
    .filter(({ about }) => about.range !== undefined)
    .map(({ index, about }) => `#${index} ${about.title}`);
  return [
    printGraph(graph).replace(/^(#\d+) [0-9a-f]{12}/gm, '$1'),
    ...titles,
    `result #${result} ${target} ${formatPlatform(image.platform)}${image.author === undefined ? '' : ` by ${image.author}`}`,
    ...(image.layers.length === 0 ? [] : [`layers ${image.layers.map((layer) => `#${layer}`).join(' ')}`]),
    ...[...contextPaths].map(([name, paths]) => `uses ${name}: ${paths.join(' ')}`),
    ...Object.entries(image.config).map(([key, value]) => `${key} ${JSON.stringify(value)}`),
    ...image.history.map((entry) => `${entry.empty_layer === true ? '-' : '+'} ${entry.created_by}`),
  ].join('\n');
}

for (const name of ['settings', 'arguments', 'copy', 'run', 'stages', 'onbuild']) {
  describe(name, () => goldenTests(new URL(`testdata/${name}.txt`, import.meta.url), printed));
}

test('plans for several platforms share what they have in common', () => {
  const text =
    'FROM --platform=$BUILDPLATFORM plain AS make\nRUN common\nARG TARGETARCH\nRUN $TARGETARCH\nFROM scratch\nCOPY --from=make /a /';
  const [amd64, arm64] = ['amd64', 'arm64'].map((architecture) =>
    graphOf(text, { targetPlatform: { os: 'linux', architecture }, namesPlatform: true }),
  );
  assert.ok(amd64 !== undefined && arm64 !== undefined);
  const { graph, places } = mergeGraphs([amd64.graph, arm64.graph]);
  const titles = graph.map(({ about }) => about.title);
  assert.deepEqual(
    titles.filter((title) => title.includes('RUN')),
    [
      '[linux/amd64 make 2/3] RUN common',
      '[linux/amd64 make 3/3] RUN amd64',
      '[linux/amd64->arm64 make 3/3] RUN arm64',
    ],
  );
  for (const [at, { result, graph: own }] of [amd64, arm64].entries()) {
    const place = places[at]?.[result] as number;
    assert.equal(graph[place]?.digest, own[result]?.digest);
    assert.ok(graph.every(({ index, inputs }) => inputs.every((input) => input < index)));
  }
  // Two platforms that make the same thing.
  const same = mergeGraphs([amd64.graph, amd64.graph]);
  assert.equal(same.graph.length, amd64.graph.length);
  assert.deepEqual(same.places[0], same.places[1]);
});

test('a context for one platform counts before one for all', () => {
  const contexts = new Map([
    ['base', 'docker-image://plain'],
    ['base::linux/arm64', 'docker-image://arm'],
  ]);
  const references = (targetPlatform: Platform) =>
    graphOf('FROM base\nCOPY --from=base /a /', { contexts, targetPlatform }).graph.flatMap(({ definition }) =>
      definition.kind === 'image' ? definition.reference : [],
    );
  assert.match(references({ os: 'linux', architecture: 'arm64' }).join(), /^docker.io\/library\/arm:latest[^,]*$/);
  assert.match(references(host).join(), /^docker.io\/library\/plain:latest[^,]*$/);
});

function graphOf(text: string, options: Partial<BuildOptions> = {}) {
  const file = parseDockerfile({ name: 'Dockerfile', text });
  const plan = planBuild({ file, options: { ...plainOptions(host), ...options }, lookUp });
  assert.ok(plan.kind === 'plan');
  return plan;
}

const digestOf = (text: string, options: Partial<BuildOptions> = {}) => {
  const { graph, result } = graphOf(text, options);
  return graph[result]?.digest;
};

describe('digests', () => {
  const same: [title: string, a: string, b: string][] = [
    ['white space and comments', 'FROM plain\nRUN x', '# c\nFROM   plain AS n\n\n\n  run   x'],
    ['settings that change no files', 'FROM plain\nRUN x', 'FROM plain\nLABEL a=b\nEXPOSE 1\nCMD y\nRUN x\nVOLUME /v'],
    ['arguments that are not set', 'FROM plain\nRUN x', 'FROM plain\nARG A\nRUN x'],
    ['a stage in between', 'FROM plain\nRUN x\nRUN y', 'FROM plain AS a\nRUN x\nFROM a\nRUN y'],
    [
      'the order of stages',
      'FROM plain AS a\nRUN x\nFROM base\nCOPY --from=a / /',
      'FROM base AS b\nFROM plain AS a\nRUN x\nFROM b\nCOPY --from=a / /',
    ],
    ['how a path is written', 'FROM plain\nCOPY a /b', 'FROM plain\nWORKDIR /\nCOPY ./a//. /b'],
  ];
  for (const [title, a, b] of same) test(`do not depend on ${title}`, () => assert.equal(digestOf(a), digestOf(b)));

  const different: [title: string, a: string, b: string][] = [
    ['what is run', 'FROM plain\nRUN x', 'FROM plain\nRUN y'],
    ['the form', 'FROM plain\nRUN x', 'FROM plain\nRUN ["x"]'],
    ['the base', 'FROM plain\nRUN x', 'FROM base\nRUN x'],
    ['the environment', 'FROM plain\nRUN x', 'FROM plain\nENV A=1\nRUN x'],
    ['arguments', 'FROM plain\nARG A=1\nRUN x', 'FROM plain\nARG A=2\nRUN x'],
    ['the working directory', 'FROM plain\nWORKDIR /a\nRUN x', 'FROM plain\nWORKDIR /b\nRUN x'],
    ['the user', 'FROM plain\nRUN x', 'FROM plain\nUSER u\nRUN x'],
    ['the order', 'FROM plain\nRUN x\nRUN y', 'FROM plain\nRUN y\nRUN x'],
    ['the owner', 'FROM plain\nCOPY a /', 'FROM plain\nCOPY --chown=1 a /'],
    ['the mode', 'FROM plain\nCOPY a /', 'FROM plain\nCOPY --chmod=644 a /'],
    ['unpacking', 'FROM plain\nCOPY a /', 'FROM plain\nADD a /'],
    ['a closing slash', 'FROM plain\nCOPY a /b', 'FROM plain\nCOPY a /b/'],
    ['text of a heredoc', 'FROM plain\nCOPY <<a /\n1\na', 'FROM plain\nCOPY <<a /\n2\na'],
    ['mounts', 'FROM plain\nRUN x', 'FROM plain\nRUN --mount=type=cache,target=/c x'],
    ['the network', 'FROM plain\nRUN x', 'FROM plain\nRUN --network=none x'],
  ];
  for (const [title, a, b] of different) test(`depend on ${title}`, () => assert.notEqual(digestOf(a), digestOf(b)));

  test('proxies and the cache flag are no part of them', () => {
    const text = 'FROM plain\nRUN x';
    assert.equal(digestOf(text), digestOf(text, { args: new Map([['HTTP_PROXY', 'http://proxy:1']]) }));
    assert.equal(digestOf(text), digestOf(text, { noCache: true }));
    assert.notEqual(digestOf(text), digestOf(text, { targetPlatform: { os: 'linux', architecture: 'arm64' } }));
  });

  test('are the same from day to day', () => {
    assert.equal(
      digestOf('FROM scratch\nCOPY a /b'),
      'sha256:772271ba8b4a144884891ce033a1815c642e9828277cb4b70b5db088a3f79a7b',
    );
  });
});

test('steps that are asked for twice are done once', () => {
  const twice = 'FROM plain AS a\nRUN x\nFROM plain AS b\nRUN x\nFROM scratch\nCOPY --from=a /1 /\nCOPY --from=b /2 /';
  const { graph } = graphOf(twice);
  assert.equal(graph.filter(({ definition }) => definition.kind === 'run').length, 1);
});

test('the time of a plan grows with the file only', () => {
  const cpu = startCpuClock();
  const stages = Array.from(
    { length: 1_000 },
    (_, index) => `FROM scratch AS s${index}\nCOPY --from=s${index - 1} / /\n`,
  );
  const text = `FROM plain AS s-1\n${stages.join('')}`;
  assert.equal(graphOf(text).graph.length, 1_002);
  assert.ok(cpu() < 5_000, `${cpu()} ms`);
});

test('whatever parses gives a plan, wants or an error of the file', () => {
  const words = fc.constantFrom(
    'a',
    '$A',
    '${A:-b}',
    '/x/',
    '.',
    '..',
    'plain',
    's0',
    '"',
    '--from=s0',
    '--from=1',
    'a=b',
    '80',
    '<<E',
  );
  const keyword = fc.constantFrom(
    'FROM',
    'RUN',
    'COPY',
    'ADD',
    'ENV',
    'ARG',
    'WORKDIR',
    'USER',
    'EXPOSE',
    'ONBUILD RUN',
    'CMD',
  );
  const line = fc.tuple(keyword, fc.array(words, { maxLength: 3 })).map(([name, rest]) => `${name} ${rest.join(' ')}`);
  fc.assert(
    fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
      try {
        const file = parseDockerfile({ name: 'Dockerfile', text: `FROM plain AS s0\n${lines.join('\n')}` });
        const plan = planBuild({ file, options: plainOptions(host), lookUp });
        if (plan.kind === 'plan')
          for (const { index, inputs } of plan.graph) assert.ok(inputs.every((one) => one < index));
      } catch (error) {
        assert.ok(error instanceof EngineError && error.code === 'invalid', String(error));
      }
    }),
    { numRuns: 2_000 },
  );
});
