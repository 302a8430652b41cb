/** What hostile registries would get of engines without one of their guards, and do not get of the real one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isOracle, type TestEngine } from '../support/engine.ts';
import { engineSuite } from '../support/suite.ts';
import { startWeakEngine } from '../support/weak-engine.ts';
import type { WeaknessName } from '../support/weaknesses.ts';
import { withHosts } from './_hosts.ts';
import { hostilePort, startHostileRegistry } from './_hostile-registry.ts';

/** An address that is not this host's own in the engine's eyes; the registry listens on all of them. */
const foreign = '10.99.0.1';
const program = `
  led: (request, response) => response.writeHead(307, { location: 'http://127.0.0.1:${hostilePort}/v2/secrets/of-this-host' }).end(),
  secrets: (request, response) => response.end('{}'),
  asks: (request, response) => request.headers.authorization === undefined
    ? response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end()
    : response.writeHead(307, { location: 'http://127.0.0.2:${hostilePort}/v2/second/host' }).end(),
  second: (request, response) => response.writeHead(404).end('{}'),
`;

/** Pulls from a registry under `address`; gives what was asked for. */
async function pull(engine: TestEngine, address: string, repository: string): Promise<string> {
  const ip = (verb: string) => engine.inside(['ip', 'address', verb, `${foreign}/32`, 'dev', 'lo']);
  assert.equal((await ip('add')).code, 0);
  try {
    await using registry = await startHostileRegistry(engine.namespaces, program);
    const auth = Buffer.from(JSON.stringify({ username: 'u', password: 'p' })).toString('base64url');
    const name = `${address}:${hostilePort}`;
    const url = `http://localhost/v1.47/images/create?fromImage=${name}/${repository}&tag=x`;
    const words = ['-s', '-X', 'POST', '-H', `X-Registry-Auth: ${auth}`, '--unix-socket', engine.paths.socket, url];
    await withHosts(engine, { [`${foreign}:${hostilePort}/hosts.toml`]: `server = "http://${name}"\n` }, async () => {
      await engine.inside(['curl', ...words]);
    });
    return registry.asked.join('\n');
  } finally {
    await ip('del');
  }
}

engineSuite('attacks of registries', { skip: isOracle() && 'Docker has no guards of this kind' }, (engine) => {
  function attack(
    name: string,
    weakness: WeaknessName,
    tryIt: (one: TestEngine) => Promise<string>,
    expected: RegExp,
  ): void {
    test(`${name}: works with "${weakness}", fails on the engine`, async () => {
      await using weak = await startWeakEngine(weakness);
      assert.match(await tryIt(weak), expected);
      const asked = await tryIt(engine());
      assert.notEqual(asked, '');
      assert.doesNotMatch(asked, expected);
    });
  }

  attack(
    'a redirect to what listens on this host alone',
    'registries lead anywhere',
    (one) => pull(one, foreign, 'led'),
    /GET \/v2\/secrets\/of-this-host/,
  );

  attack(
    'a redirect of the password to a second host',
    'passwords follow redirects',
    (one) => pull(one, '127.0.0.1', 'asks'),
    /\/v2\/second\/host Basic /,
  );
});
