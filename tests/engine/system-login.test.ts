import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { isOracle } from '../support/engine.ts';
import { startRegistry } from '../support/registry.ts';
import { must } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';

const password = 'not-to-be-found-again';

engineSuite('logging in to a registry', {}, (engine) => {
  const login = (given: string, host: string) =>
    engine().docker(['login', '--username=tester', '--password-stdin', host], { input: given });

  test('good credentials succeed, bad ones do not, and the engine keeps neither', async () => {
    const crypted = await must('perl', ['-e', `print crypt('${password}', '$2y$05$abcdefghijklmnopqrstuu')`]);
    await using registry = await startRegistry(engine().namespaces, `tester:${crypted}`);
    const good = await login(password, registry.host);
    assert.equal(good.code, 0, good.stderr);
    assert.match(good.stdout, /Login Succeeded/);
    const bad = await login('wrong', registry.host);
    assert.equal(bad.code, 1);
    assert.match(bad.stderr, /login attempt to http:\/\/127\.0\.0\.1:5000\/v2\/ failed with status: 401 Unauthorized/);
    await engine().docker(['logout', registry.host]);
    assert.doesNotMatch(await engine().logText(), new RegExp(password));
    if (isOracle()) return;
    const state = await readFile(join(engine().paths.dataRoot, 'state.db'), 'latin1');
    assert.ok(!state.includes(password));
  });

  test('a registry that is not there, and requests that are none', async () => {
    const absent = await engine().api('POST', '/v1.44/auth', {
      username: 'a',
      password: 'b',
      serveraddress: '127.0.0.1:1',
    });
    assert.ok(absent.status >= 500, String(absent.status));
    assert.match(absent.text, /connection refused/);
    const wrong = await engine().api('POST', '/v1.44/auth', { username: 5 });
    assert.equal(wrong.status, 400);
    const none = await engine().api('POST', '/v1.44/auth');
    // Docker has 500 for this one: a body that is missing is the client's mistake.
    if (!isOracle()) assert.equal(none.status, 400);
  });
});
