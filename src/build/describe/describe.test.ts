import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { goldenTests } from '../../../tests/support/golden.ts';
import { parseDockerfile } from '../dockerfile/parse.ts';
import { plainOptions } from '../plan/options.ts';
import { planBuild } from '../plan/plan.ts';
import { outlineJson, printOutline } from './outline.ts';
import { printTargets, targetsJson } from './targets.ts';

const parse = (text: string) => parseDockerfile({ name: 'Dockerfile', text });

/** The JSON in one line, without the file in it. */
const short = (json: string): string => {
  const { sources, ...rest } = JSON.parse(json) as { sources: string[] };
  assert.equal(sources.length, 1);
  return JSON.stringify(rest);
};

describe('targets', () => {
  goldenTests(new URL('testdata/targets.txt', import.meta.url), (input) => {
    const file = parse(input);
    return `${printTargets(file)}\n${short(targetsJson(file))}`;
  });
});

describe('outline', () => {
  goldenTests(new URL('testdata/outline.txt', import.meta.url), (input) => {
    const [first = '', ...rest] = input.split('\n');
    const target = /^@ target (.*)$/.exec(first)?.[1];
    const file = parse(target === undefined ? input : rest.join('\n'));
    const options = plainOptions({ os: 'linux', architecture: 'amd64' });
    const plan = planBuild({
      file,
      options: { ...options, args: new Map([['GIVEN', 'yes']]), ...(target === undefined ? {} : { target }) },
      lookUp: () => 'unknown',
    });
    assert.ok(plan.kind === 'plan');
    return `${printOutline(file, plan)}\n${short(outlineJson(file, plan))}`;
  });
});
