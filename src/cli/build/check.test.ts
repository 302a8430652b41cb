import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { main } from '../main.ts';
import type { Output } from '../output.ts';

let folder = '';
before(() => (folder = mkdtempSync(join(tmpdir(), 'gantry-check-'))));
after(() => rmSync(folder, { recursive: true }));

/** Runs the command in a folder with these files. */
async function check(files: Readonly<Record<string, string>>, ...words: readonly string[]) {
  const context = mkdtempSync(join(folder, 'context-'));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(context, name), text);
  const written = ['', '', ''];
  const output = { text: (fd: 1 | 2, text: string) => void (written[fd] += text) } as unknown as Output;
  const line = words.map((word) => word.replace('CONTEXT', context));
  const code = await main(['build', 'check', ...line], { DOCKER_CONFIG: folder, FROM_ENV: 'alpine' }, output);
  return { code, out: written[1] ?? '', err: written[2] ?? '' };
}

test('a Dockerfile with nothing to say', async () => {
  const { code, out } = await check({ Dockerfile: 'FROM scratch\nCOPY a /\n' }, 'CONTEXT');
  assert.deepEqual({ code, out }, { code: 0, out: 'Check complete, no warnings found.\n' });
});

test('warnings, with the patterns of the file for this Dockerfile', async () => {
  const files = {
    Dockerfile: 'FROM scratch',
    '.dockerignore': 'b',
    'other.Dockerfile': 'FROM scratch\nCOPY a b /\n',
    'other.Dockerfile.dockerignore': 'a',
  };
  const { code, out } = await check(files, '--file=CONTEXT/other.Dockerfile', 'CONTEXT');
  assert.equal(code, 1);
  assert.match(out, /^Check complete, 1 warning has been found!\n\nWARNING: CopyIgnoredFile - docs\/build-checks\//);
  assert.match(out, /Attempting to Copy file "a" that is excluded/);
});

test('faults show their place', async () => {
  const { code, err } = await check({ Dockerfile: 'FROM scratch\nCPOY a /\n' }, 'CONTEXT');
  assert.equal(code, 1);
  assert.match(err, /^ERROR: dockerfile parse error on line 2: unknown instruction: CPOY \(did you mean COPY\?\)\n/);
  assert.match(
    err,
    /Dockerfile:2:1: expected an instruction\nDockerfile:2\n-+\n {3}1 \| {5}FROM scratch\n {3}2 \| >>> CPOY a \/\n/,
  );
});

test('build arguments, target, platform', async () => {
  const files = { Dockerfile: 'ARG BASE\nFROM $BASE AS one\nCMD x\nFROM scratch AS two\n' };
  const skip = '--build-arg=BUILDKIT_DOCKERFILE_CHECK=skip=InvalidDefaultArgInFrom';
  assert.equal((await check(files, skip, 'CONTEXT')).code, 1);
  assert.equal((await check(files, skip, '--build-arg=BASE=debian', '--target=two', 'CONTEXT')).code, 0);
  const one = await check(files, skip, '--build-arg', 'BASE=debian', 'CONTEXT');
  assert.match(one.out, /WARNING: JSONArgsRecommended/);
  const platform = { Dockerfile: 'FROM --platform=$TARGETPLATFORM a\n' };
  assert.match((await check(platform, '--platform=linux/arm64', 'CONTEXT')).out, /RedundantTargetPlatform/);
  assert.match((await check(platform, '--platform=linux/arm64,linux/amd64', 'CONTEXT')).out, /RedundantTargetPlatform/);
  const environment = { Dockerfile: 'ARG FROM_ENV\nFROM $FROM_ENV\n' };
  assert.equal((await check(environment, skip, '--build-arg=FROM_ENV', 'CONTEXT')).code, 0);
});

test('json', async () => {
  const { out } = await check({ Dockerfile: 'FROM scratch AS A\n' }, '--format=json', 'CONTEXT');
  assert.equal((JSON.parse(out) as { warnings: { ruleName: string }[] }).warnings[0]?.ruleName, 'StageNameCasing');
});

test('bad input is named', async () => {
  const cases: [words: readonly string[], message: RegExp][] = [
    [['CONTEXT'], /^failed to read .*\/Dockerfile: ENOENT/],
    [['CONTEXT/nothing'], /^unable to prepare context: path ".*nothing" not found, or no folder/],
    [['--format=xml', 'CONTEXT'], /^--format: "xml": expected text or json/],
    [['--build-arg==x', 'CONTEXT'], /^--build-arg: "=x": expected NAME=VALUE or NAME/],
    [['--platform=plan9x', 'CONTEXT'], /plan9x/],
    [['--file=x', '-'], /^--file and - exclude each other/],
  ];
  for (const [words, message] of cases) {
    const files = message.source.includes('ENOENT') ? {} : { Dockerfile: 'FROM scratch\n' };
    const { code, err } = await check(files, ...words);
    assert.equal(code, 1, words.join(' '));
    assert.match(err, message);
  }
  const ignore = await check({ Dockerfile: 'FROM scratch', '.dockerignore': '[a' }, 'CONTEXT');
  assert.match(ignore.err, /\.dockerignore: syntax error in pattern "\[a"/);
});
