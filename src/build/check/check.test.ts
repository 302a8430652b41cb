import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { goldenTests } from '../../../tests/support/golden.ts';
import { PathMatcher } from '../ignore/matcher.ts';
import type { LookUp } from '../plan/options.ts';
import { plainOptions } from '../plan/options.ts';
import { checkDockerfile } from './check.ts';
import { checkJson, printCheck, printFault } from './print.ts';
import { rulePage, type RuleName, rules } from './rules.ts';

const host = { os: 'linux', architecture: 'amd64' };

/** The one image whose configuration is known. */
const lookUp: LookUp = ({ reference }) => {
  if (reference !== 'docker.io/library/base:latest') return 'unknown';
  const config = { Env: ['PATH=/bin', 'FROM_BASE=yes'], Shell: ['/bin/ash', '-c'] };
  const rootfs = { type: 'layers', diff_ids: [] } as const;
  return { reference, config: { os: 'linux', architecture: 'arm64', config, rootfs, history: [] } };
};

function check(text: string) {
  const [first = '', ...rest] = text.split('\n');
  const [kind, value = ''] = first.startsWith('@ ') ? first.slice(2).split(' ') : [];
  const name = kind === undefined ? text : rest.join('\n');
  const source = { name: 'Dockerfile', text: name };
  const options = { ...plainOptions(host), ...(kind === 'target' ? { target: value } : {}) };
  const args = new Map(kind === 'arg' ? [value.split(/=(.*)/s).slice(0, 2) as [string, string]] : []);
  const ignored = kind === 'ignore' ? { ignored: new PathMatcher(value.split(',')) } : {};
  return { source, result: checkDockerfile({ source, options: { ...options, args }, lookUp, ...ignored }) };
}

describe('golden', () => {
  goldenTests(new URL('testdata/check.txt', import.meta.url), (input) => {
    const { findings, error } = check(input).result;
    return [
      ...findings.map(({ rule, range, detail }) => `${range.start.line} ${rule}: ${detail}`),
      ...(error === undefined ? [] : [`error at ${error.range.start.line}: ${error.message}`]),
    ].join('\n');
  });
});

describe('what is printed', () => {
  goldenTests(new URL('testdata/print.txt', import.meta.url), (input) => {
    const { source, result } = check(input);
    return printCheck(source, result) + (result.error === undefined ? '' : printFault(source, result.error));
  });
});

test('JSON has the fields that clients read', () => {
  const { source, result } = check('FROM scratch AS A\nFORM x');
  const { warnings, sources, buildError } = JSON.parse(checkJson(source, result)) as Record<string, unknown[]>;
  assert.deepEqual(warnings, []);
  assert.deepEqual(sources, [
    { filename: 'Dockerfile', language: 'Dockerfile', data: Buffer.from(source.text).toString('base64') },
  ]);
  assert.deepEqual(buildError, {
    message: 'dockerfile parse error on line 2: unknown instruction: FORM (did you mean FROM?)',
    location: { ranges: [{ start: { line: 2 }, end: { line: 2 } }] },
  });
  const one = check('FROM scratch AS A');
  const [warning] = (JSON.parse(checkJson(one.source, one.result)) as { warnings: Record<string, unknown>[] }).warnings;
  assert.deepEqual(Object.keys(warning ?? {}), ['ruleName', 'description', 'url', 'detail', 'location']);
});

test('every rule has a page of its own, an example that it finds and one that it does not', () => {
  const folder = new URL('../../../docs/build-checks/', import.meta.url);
  const pages = readdirSync(folder).filter((name) => name !== 'README.md');
  assert.equal(pages.length, Object.keys(rules).length);
  for (const rule of Object.keys(rules) as RuleName[]) {
    const page = new URL(`../../../${rulePage(rule)}`, import.meta.url);
    assert.ok(existsSync(page), rulePage(rule));
    const text = readFileSync(page, 'utf8');
    assert.ok(text.startsWith(`# ${rule}\n`), rule);
    const examples = [...text.matchAll(/```dockerfile\n(.*?)```/gs)].map(([, example = '']) => example);
    assert.equal(examples.length, 2, rule);
    const ignored = /```dockerignore\n(.*?)\n```/s.exec(text)?.[1];
    const first = ignored === undefined ? '' : `@ ignore ${ignored.replaceAll('\n', ',')}\n`;
    const [found, fixed] = examples.map((example) => check(first + example).result);
    assert.ok(
      found?.findings.some((one) => one.rule === rule),
      `${rule}: its first example is not found`,
    );
    assert.ok(!fixed?.findings.some((one) => one.rule === rule), `${rule}: its second example is found`);
    assert.equal(fixed?.error, undefined, rule);
  }
});
