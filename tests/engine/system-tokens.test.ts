/**
 * Registries with a token server: identity tokens stand for the password, tokens end and are renewed. The stock client
 * logs in and pulls; so does ours, at a terminal.
 */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { isOracle } from '../support/engine.ts';
import { gantryProgram } from '../support/gantry-command.ts';
import { run } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';
import { Terminal } from '../support/terminal.ts';
import { hostilePort, startHostileRegistry } from './_hostile-registry.ts';

const password = 'not-to-be-found-again';

/** A token is good for the requests that `uses` allows; refresh tokens change each time that they are used. */
const program = (uses: number): string => `
  ...(() => {
    const state = { token: '', left: 0, refresh: 'refresh-0', count: 0 };
    const issue = (response, more) => {
      state.token = 'token-' + ++state.count;
      state.left = ${uses};
      send(response, 'application/json', json({ token: state.token, access_token: state.token, expires_in: 300, ...more }));
    };
    const denied = (response) => response.writeHead(401, { 'content-type': 'application/json' })
      .end('{"errors":[{"code":"UNAUTHORIZED","message":"incorrect username or password"}]}');
    const guarded = (inner) => (request, response, parts) => {
      if (request.headers.authorization === 'Bearer ' + state.token && state.left-- > 0) return inner(request, response, parts);
      const realm = 'http://127.0.0.1:${hostilePort}/token';
      response.writeHead(401, { 'www-authenticate': 'Bearer realm="' + realm + '",service="test"' })
        .end('{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}');
    };
    return {
      base: guarded((request, response) => response.end('{}')),
      token: (request, response) => {
        const url = new URL(request.url, 'http://x');
        const basic = 'Basic ' + Buffer.from('tester:${password}').toString('base64');
        if (request.method === 'GET') {
          if (request.headers.authorization !== basic) return denied(response);
          return issue(response, url.searchParams.get('offline_token') === 'true' ? { refresh_token: state.refresh } : {});
        }
        let text = '';
        request.on('data', (chunk) => (text += chunk)).on('end', () => {
          const form = new URLSearchParams(text);
          console.log('FORM ' + [...form.keys()].join(','));
          if (form.get('grant_type') !== 'refresh_token' || form.get('refresh_token') !== state.refresh) return denied(response);
          issue(response, {});
        });
      },
      app: guarded(of(image([layer('a'), layer('b'), layer('c')]))),
    };
  })(),
`;

engineSuite('a registry with a token server', {}, (engine) => {
  const configOf = async (): Promise<{ auths?: Record<string, { auth?: string; identitytoken?: string }> }> =>
    JSON.parse(await readFile(join(engine().paths.clientConfig, 'config.json'), 'utf8')) as object;
  const login = (given: string, host: string) =>
    engine().docker(['login', '--username=tester', '--password-stdin', host], { input: given });
  const gantry = (args: readonly string[], more: { input?: string; env?: Record<string, string> } = {}) =>
    run(gantryProgram[0], [...gantryProgram.slice(1), ...args], {
      ...more,
      env: { ...engine().clientEnv(), ...more.env },
    });
  const user = Buffer.from('tester:').toString('base64');

  const noRenewal = isOracle() && 'Docker renews no token of a pull';
  test('docker login keeps the identity token instead of the password; pulls live from it', {
    skip: noRenewal,
  }, async () => {
    await using registry = await startHostileRegistry(engine().namespaces, program(3));
    const good = await login(password, registry.host);
    assert.equal(good.code, 0, good.stderr);
    assert.match(good.stdout, /Login Succeeded/);
    assert.deepEqual((await configOf()).auths, { [registry.host]: { auth: user, identitytoken: 'refresh-0' } });
    // Each token is good for three requests only: it is renewed when it is refused.
    await engine().dockerOk(['pull', '-q', `${registry.host}/app:x`]);
    assert.ok(
      registry.asked.some((line) =>
        /^FORM (?=.*grant_type)(?=.*refresh_token)(?=.*service)(?=.*client_id)(?=.*scope)/.test(line),
      ),
    );
    assert.ok(
      !registry.asked.some((line) => line.startsWith('GET /token') && line.includes('app')),
      'only by refresh token',
    );
    const bad = await login('wrong', registry.host);
    assert.equal(bad.code, 1);
    assert.match(bad.stderr, /incorrect username or password/);
    await engine().docker(['logout', registry.host]);
    const without = await engine().docker(['pull', '-q', `${registry.host}/app:x`], { timeout: 30_000 });
    assert.equal(without.code, 1);
    assert.match(
      without.stderr,
      /pull access denied for .*: failed to fetch anonymous token: incorrect username or password/,
    );
    assert.doesNotMatch(await engine().logText(), new RegExp(`${password}|refresh-0`));
  });

  const skip = isOracle() && 'this is about the own command line';
  test('gantry login asks at a terminal, shows no password, and keeps the identity token', { skip }, async () => {
    await using registry = await startHostileRegistry(engine().namespaces, program(100));
    const config = join(engine().paths.clientConfig, 'config.json');
    await using terminal = await Terminal.open([...gantryProgram, 'login', registry.host], engine().clientEnv());
    let at = await terminal.expect(/Username: /);
    terminal.type('tester\r');
    at = await terminal.expect(/Password: /, at);
    terminal.type(`${password}\r`);
    await terminal.expect(/Login Succeeded/, at);
    assert.equal(await terminal.exit(), 0);
    assert.doesNotMatch(terminal.shown, new RegExp(password));
    assert.deepEqual((await configOf()).auths, { [registry.host]: { auth: user, identitytoken: 'refresh-0' } });
    const pulled = await gantry(['pull', '-q', `${registry.host}/app:x`]);
    assert.equal(pulled.code, 0, pulled.stderr);
    // A login that is no longer good: the name is proposed, the password asked for.
    await writeFile(
      config,
      JSON.stringify({ auths: { [registry.host]: { auth: Buffer.from('tester:old').toString('base64') } } }),
    );
    await using again = await Terminal.open([...gantryProgram, 'login', registry.host], engine().clientEnv());
    at = await again.expect(/Authenticating with existing credentials\.\.\. \[Username: tester\]/);
    at = await again.expect(/Stored credentials invalid or expired/, at);
    at = await again.expect(/Username \(tester\): /, at);
    again.type('\r');
    at = await again.expect(/Password: /, at);
    again.type(`${password}\r`);
    await again.expect(/Login Succeeded/, at);
    await using given = await Terminal.open([...gantryProgram, 'login', registry.host], engine().clientEnv());
    await given.expect(/Username: /);
    given.type('\x03');
    assert.notEqual(await given.exit(), 0);
    await writeFile(config, '{}');
  });

  test('gantry takes logins of DOCKER_AUTH_CONFIG, and passwords by -p -', { skip }, async () => {
    await using registry = await startHostileRegistry(engine().namespaces, program(100));
    const auth = Buffer.from(`tester:${password}`).toString('base64');
    const env = { DOCKER_AUTH_CONFIG: JSON.stringify({ auths: { [registry.host]: { auth } } }) };
    const pulled = await gantry(['pull', '-q', `${registry.host}/app:x`], { env });
    assert.equal(pulled.code, 0, pulled.stderr);
    const known = await gantry(['login', registry.host], { env });
    assert.equal(known.code, 0, known.stderr);
    assert.match(known.stderr, /DOCKER_AUTH_CONFIG is set and takes precedence[^]*existing credentials/);
    const bad = await gantry(['login', '-u', 'tester', '-p', '-', registry.host], { input: 'wrong\n' });
    assert.equal(bad.code, 1);
    assert.match(bad.stderr, /incorrect username or password/);
    const good = await gantry(['login', '-u', 'tester', '-p', '-', registry.host], { input: `${password}\n` });
    assert.equal(good.code, 0, good.stderr);
    assert.doesNotMatch(good.stderr, /insecure/);
    const wrong = await gantry(['logout', registry.host], { env: { DOCKER_AUTH_CONFIG: '{"auth":1}' } });
    assert.match(
      wrong.stderr,
      /Failed to create credential store from DOCKER_AUTH_CONFIG: {2}json: unknown field "auth"/,
    );
  });
});
