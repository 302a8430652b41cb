import assert from 'node:assert/strict';
import { existsSync, readlinkSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { run } from '../../sys/process/run.ts';
import { Runtimes } from './runtimes.ts';

const missing = existsSync('/usr/bin/crun') ? false : 'crun is not installed';

test('runtimes are run from copies that nobody can change', { skip: missing }, async () => {
  const runtimes = new Runtimes(new Map(), { sealed: true });
  const { program, path, version, exact } = await runtimes.find('crun');
  if (exact === undefined) return assert.equal(program, path);
  assert.match(readlinkSync(program), /^\/memfd:runtime/);
  assert.throws(() => writeFileSync(program, 'another program'), { code: 'EPERM' });
  const { stdout } = await run({
    path: program,
    argv: ['crun', '--version'],
    env: [],
    timeoutMs: 10_000,
    outputLimit: 4096,
  });
  assert.equal(stdout.toString().split('\n')[0], version);
  assert.equal((await runtimes.find('crun')).program, program, 'one copy, not one a look');
  assert.equal((await new Runtimes(new Map()).find('crun')).program, path);
});
