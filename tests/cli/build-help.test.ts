import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import test from 'node:test';
import { buildPlugins } from '../support/buildx.ts';
import { gantryProgram } from '../support/gantry-command.ts';

/** What Gantry has besides, and what docker takes before the command's name. */
const additions = new Set([
  '--builder',
  '--debug',
  '--build-volume',
  '--jobs',
  '--lock',
  '--lock-update',
  '--locked',
  '--nested-ignore',
  '--print-graph',
  '--show-context',
  '--squash',
]);

function flagsOf(program: readonly string[], ...words: readonly string[]): [string, string][] {
  const [path = '', ...args] = program;
  const { stdout } = spawnSync(path, [...args, ...words, '--help'], { encoding: 'utf8' });
  const flags: [string, string][] = [];
  for (const line of stdout.split('\n')) {
    const found = /^ {2,6}(-\w, )?(--[a-z-]+)( \w+)?/.exec(line);
    const name = found?.[2] ?? '--help';
    // What lies behind a single space is a type; help has its text further on.
    if (name !== '--help' && !additions.has(name)) flags.push([name, `${found?.[1] ?? ''}${found?.[3] ?? ''}`]);
  }
  return flags.sort(([a], [b]) => (a < b ? -1 : 1));
}

test('gantry build takes the flags of docker buildx build, by the same letters', () => {
  const buildx = flagsOf([join(buildPlugins(), 'docker-buildx')], 'build');
  assert.ok(buildx.length > 30);
  assert.deepEqual(flagsOf(gantryProgram, 'build'), buildx);
  for (const words of [
    ['image', 'build'],
    ['builder', 'build'],
    ['buildx', 'build'],
    ['buildx', 'b'],
  ]) {
    assert.deepEqual(flagsOf(gantryProgram, ...words), buildx, words.join(' '));
  }
});
