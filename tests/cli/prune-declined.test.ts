/** What prunes ask, and what they do when the answer is no: nothing, which is no failure. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dockerClient } from '../support/docker-client.ts';
import { gantryProgram } from '../support/gantry-command.ts';
import { run } from '../support/run.ts';

const commands = [
  ['container', 'prune'],
  ['image', 'prune'],
  ['image', 'prune', '-a'],
  ['volume', 'prune'],
  ['volume', 'prune', '-a'],
  ['network', 'prune'],
  ['system', 'prune'],
  ['system', 'prune', '-a', '--volumes', '--filter=label=x'],
];

/** Nobody listens there: what asks the engine before the user, or in spite of the answer, fails. */
const env = { DOCKER_HOST: 'unix:///nonexistent/docker.sock' };

for (const args of commands) {
  test(args.join(' '), async () => {
    const [program, ...first] = gantryProgram;
    for (const input of ['n\n', 'no\n', '']) {
      const expected = await run(dockerClient(), args, { env, input });
      assert.equal(expected.code, 0);
      assert.match(expected.stdout, /\[y\/N\] $/);
      assert.deepEqual(await run(program, [...first, ...args], { env, input }), expected, JSON.stringify(input));
    }
    const sure = await run(program, [...first, ...args], { env, input: 'y\n' });
    assert.equal(sure.code, 1, 'with yes the engine is asked');
  });
}
