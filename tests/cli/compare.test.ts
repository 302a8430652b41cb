import { join } from 'node:path';
import test from 'node:test';
import { hasDocker, sameAsDocker, temporaryFolder } from './_compare.ts';
import { cases, createCases } from './_cases.ts';
import { startFakeEngine } from './fake-engine.ts';

test('the commands print, answer and ask the same as docker', {
  skip: !hasDocker && 'no docker client here',
}, async (t) => {
  await using engine = await startFakeEngine(join(temporaryFolder(), 'engine.sock'));
  for (const { args, ...options } of [...cases, ...createCases]) {
    await t.test(args.join(' '), () => sameAsDocker(engine, args, options));
  }
});
