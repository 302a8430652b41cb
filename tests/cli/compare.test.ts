import { join } from 'node:path';
import test from 'node:test';
import { cases, createCases } from './_cases.ts';
import { hasDocker, sameAsDocker, temporaryFolder } from './_compare.ts';
import { startFakeEngine } from './fake-engine.ts';

test('the commands print, answer and ask the same as docker', {
  skip: !hasDocker && 'no docker client here',
}, async (t) => {
  const folder = temporaryFolder();
  using dockers = await startFakeEngine(join(folder, 'docker.sock'));
  using owns = await startFakeEngine(join(folder, 'gantry.sock'));
  for (const { args, ...options } of [...cases, ...createCases]) {
    await t.test(args.join(' '), () => sameAsDocker([dockers, owns], args, options));
  }
});
