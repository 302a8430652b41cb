import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFailure, execFailure } from './failure.ts';

// Messages as crun 1.8.1 and runc 1.1.5 wrote them.
const runc = (message: string) => `time="2026-11-23T02:06:52Z" level=error msg=${JSON.stringify(message)}\n`;

test('a missing command is 127, with the words that clients look for', () => {
  const inPath = createFailure(
    'crun',
    'executable file `nosuch` not found in $PATH: No such file or directory\n',
    'nosuch',
  );
  assert.equal(inPath.exitCode, 127);
  assert.equal(
    inPath.message,
    'failed to create task for container: failed to create shim task: OCI runtime create failed: crun create failed: ' +
      'unable to start container process: exec: "nosuch": executable file not found in $PATH: unknown',
  );
  const absolute = createFailure(
    'crun',
    'executable file `/no/such` not found in $PATH: No such file or directory\n',
    '/no/such',
  );
  assert.match(absolute.message, /exec: "\/no\/such": stat \/no\/such: no such file or directory: unknown$/);
  const same = runc(
    'runc create failed: unable to start container process: exec: "nosuch": executable file not found in $PATH',
  );
  assert.equal(createFailure('runc', same, 'nosuch').message, inPath.message.replace('crun', 'runc'));
});

test('a command that may not be executed is 126', () => {
  for (const message of ['open executable: Permission denied\n', 'open executable: Operation not permitted\n']) {
    const error = execFailure(message, '/dev');
    assert.equal(error.exitCode, 126);
    assert.match(error.message, /^OCI runtime exec failed: exec failed: .*exec: "\/dev": permission denied: unknown$/);
  }
  const error = createFailure(
    'runc',
    runc('runc create failed: unable to start container process: exec: "/x": permission denied'),
    '/x',
  );
  assert.equal(error.exitCode, 126);
});

test('anything else is 128 and keeps its words', () => {
  const error = createFailure('crun', 'mount `a` to `b`: Invalid argument\n', 'sh');
  assert.equal(error.exitCode, 128);
  assert.match(error.message, /mount `a` to `b`: invalid argument: unknown$/);
  assert.match(createFailure('crun', '', 'sh').message, /failed without a message/);
  assert.match(createFailure('runc', 'level=error msg="cut off', 'sh').message, /cut off/);
});
