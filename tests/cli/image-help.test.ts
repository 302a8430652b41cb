import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import test from 'node:test';
import { hasDocker } from './_compare.ts';
import { gantryProgram } from '../support/gantry-command.ts';

const plain = ['pull', 'push', 'load', 'save', 'import', 'tag', 'rmi', 'images', 'history', 'commit'];
const groups = {
  image: ['history', 'import', 'inspect', 'load', 'ls', 'prune', 'pull', 'push', 'rm', 'save', 'tag'],
  manifest: ['annotate', 'create', 'inspect', 'push', 'rm'],
};
const commands = [
  ...plain,
  ...Object.entries(groups).flatMap(([group, names]) => names.map((name) => `${group} ${name}`)),
];
/** Docker shows it, though nobody can switch anything by it any more. */
const hidden = new Set(['--disable-content-trust']);
/** What Gantry has besides. */
const additions = new Set(['--budget', '--compression', '--dry-run', '--keep-last', '--unused-for']);

interface Help {
  readonly usage: string;
  /** By long name: the short one and the type of the value; newer dockers take several where older ones take one. */
  readonly flags: ReadonlyMap<string, string>;
}

function helpOf(program: readonly string[], command: string): Help {
  const [path = '', ...args] = program;
  const { stdout } = spawnSync(path, [...args, ...command.split(' '), '--help'], { encoding: 'utf8' });
  const flags = new Map<string, string>();
  for (const line of stdout.split('\n')) {
    const found = /^ {2,6}(-\w, )?(--[a-z-]+)( \w+)?/.exec(line);
    if (found?.[2] !== undefined) flags.set(found[2], `${found[1] ?? ''}${(found[3] ?? '').replace(/s$/, '')}`);
  }
  const usage = /^Usage: +(.*)$/m.exec(stdout)?.[1] ?? '';
  return { usage: usage.replace(/^(docker|gantry) /, ''), flags };
}

const sorted = (map: ReadonlyMap<string, string>, without: ReadonlySet<string>): [string, string][] =>
  [...map].filter(([name]) => !without.has(name)).sort(([a], [b]) => (a < b ? -1 : 1));

test('the commands on images take the flags of docker, by the same letters', {
  skip: !hasDocker && 'no docker client here',
}, async (t) => {
  for (const command of commands) {
    await t.test(command, () => {
      const [docker, own] = [helpOf(['docker'], command), helpOf(gantryProgram, command)];
      assert.equal(own.usage, docker.usage);
      assert.deepEqual(sorted(own.flags, additions), sorted(docker.flags, hidden));
    });
  }
});
