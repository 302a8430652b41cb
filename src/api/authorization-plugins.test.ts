import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import fc from 'fast-check';
import { silentLogger } from '../base/log.ts';
import type { CreateContainerRequest } from '../spec/engine/container.ts';
import { FakeContainer, fakeServices, RawClient } from './_fakes.ts';
import { createApiServer } from './server.ts';
import {
  type AuthorizationPlugin,
  type AuthorizationQuestion,
  createAuthorization,
  mostShownBytes,
} from './authorization/guard.ts';

const hash = (bytes: string | Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** An engine behind plugins, and everything that plugins and handlers saw. */
class Guarded {
  readonly container = new FakeContainer();
  readonly asked: AuthorizationQuestion[] = [];
  readonly answered: AuthorizationQuestion[] = [];
  /** Hash of each body that a handler of a stream got. */
  readonly streamed: string[] = [];
  path = '';
  verdict: (about: 'request' | 'response') => string | undefined = () => undefined;

  plugin(name: string): AuthorizationPlugin {
    const say = (about: 'request' | 'response') => {
      const message = this.verdict(about);
      return { allow: message === undefined, message: message ?? '' };
    };
    return {
      name,
      askRequest: async (question) => (this.asked.push(question), say('request')),
      askResponse: async (question) => (this.answered.push(question), say('response')),
    };
  }

  async serve(t: TestContext, names: readonly string[] = ['first']): Promise<this> {
    const folder = await mkdtemp(join(tmpdir(), 'guard-'));
    this.path = join(folder, 'engine.sock');
    const authorization = createAuthorization(names.map((name) => this.plugin(name)));
    const images = {
      load: async ({ body }: { body: AsyncIterable<Uint8Array> }) => {
        const digest = createHash('sha256');
        for await (const chunk of body) digest.update(chunk);
        this.streamed.push(digest.digest('hex'));
      },
    };
    const services = fakeServices(this.container, { images: images as never });
    const options = { log: silentLogger, version: '0.0', authorization: () => authorization };
    const server = createApiServer(services, options);
    await server.listen(this.path, { group: 'no-such-group' });
    t.after(async () => {
      await server.close();
      await rm(folder, { recursive: true });
    });
    return this;
  }

  /** Sends bytes as they are; gives the status of the first answer. */
  async send(...parts: readonly string[]): Promise<{ status: number; text: string }> {
    const client = new RawClient(this.path);
    for (const part of parts) client.send(part);
    await client.ended;
    client.socket.destroy();
    return { status: Number(client.text.slice(9, 12)), text: client.text };
  }
}

const head = (method: string, path: string, headers: readonly string[]): string =>
  [`${method} ${path} HTTP/1.1`, 'Host: engine', 'Connection: close', ...headers, '', ''].join('\r\n');

const json = 'Content-Type: application/json';
const chunked = (body: string): string => {
  const half = Math.floor(body.length / 2);
  const pieces = [body.slice(0, half), body.slice(half)].filter((piece) => piece !== '');
  return `${pieces.map((piece) => `${piece.length.toString(16)}\r\n${piece}\r\n`).join('')}0\r\n\r\n`;
};

const framings: Readonly<Record<string, (body: string) => readonly [headers: string[], body: string]>> = {
  length: (body) => [[`Content-Length: ${body.length}`], body],
  chunked: (body) => [['Transfer-Encoding: chunked'], chunked(body)],
  shouted: (body) => [['TRANSFER-ENCODING: Chunked'], chunked(body)],
  'no length': (body) => [[], body],
  'length 0': (body) => [['Content-Length: 0'], body],
  'too short': (body) => [[`Content-Length: ${Math.floor(body.length / 2)}`], body],
  'both, length first': (body) => [['Content-Length: 0', 'Transfer-Encoding: chunked'], chunked(body)],
  'both, length last': (body) => [['Transfer-Encoding: chunked', `Content-Length: ${body.length}`], chunked(body)],
  'two lengths': (body) => [['Content-Length: 0', `Content-Length: ${body.length}`], body],
  'the same length twice': (body) => [[`Content-Length: ${body.length}`, `Content-Length: ${body.length}`], body],
  'coding with a space': (body) => [['Transfer-Encoding : chunked', 'Content-Length: 0'], chunked(body)],
  'unknown coding': (body) => [['Transfer-Encoding: chunked, identity'], chunked(body)],
};

const types = [
  [json],
  ['content-type: Application/JSON; charset=utf-8'],
  ['Content-Type: text/plain'],
  ['Content-Type: application/x-tar'],
  [json, 'Content-Type: text/plain'],
  ['Content-Type: text/plain', json],
  ['Content-Type:  application/json , text/plain'],
  [],
];

const usualPath = 'containers/create';
const paths = [usualPath, 'containers/create/', '/containers/create', 'containers%2fcreate', 'containers/./create'];
/** What is carried out stands more often than what is not. */
const prefixes = [
  '/',
  '/v1.44/',
  '/',
  '/v1.44/',
  '/',
  '/v1.44/',
  '/v1.55/',
  '/v1.99/',
  '//',
  '/v1.44//',
  '/V1.44/',
  '/%761.44/',
];

test('no handler gets a JSON body that the plugin has not seen, in 200 generated requests', async (t) => {
  const guarded = await new Guarded().serve(t);
  let carriedOut = 0;
  const request = fc.record({
    kind: fc.constantFrom('create', 'load'),
    prefix: fc.constantFrom(...prefixes),
    path: fc.constantFrom(usualPath, usualPath, usualPath, ...paths),
    framing: fc.oneof(fc.constantFrom('length', 'chunked'), fc.constantFrom(...Object.keys(framings))),
    type: fc.constantFrom(...types),
    pad: fc.oneof(fc.nat(2000), fc.nat(2000), fc.integer({ min: mostShownBytes - 100, max: mostShownBytes + 100 })),
    denied: fc.constantFrom(true, false, false, false, false),
  });
  await fc.assert(
    fc.asyncProperty(request, async ({ kind, prefix, path, framing, type, pad, denied }) => {
      const { asked, streamed, container } = guarded;
      asked.length = streamed.length = 0;
      container.request = undefined;
      guarded.verdict = () => (denied ? 'no' : undefined);
      const body = JSON.stringify({ Image: 'i', Labels: { pad: 'x'.repeat(pad) } });
      const [framed, bytes] = framings[framing]?.(body) ?? [[], body];
      const url = `${prefix}${kind === 'create' ? path : 'images/load'}`;
      const { status } = await guarded.send(head('POST', url, [...type, ...framed]), bytes);
      const created = container.request as CreateContainerRequest | undefined;
      assert.ok(created === undefined || streamed.length === 0);
      if (created === undefined && streamed.length === 0) return;
      carriedOut++;
      assert.equal(denied, false);
      assert.equal(asked.length, 1);
      const [question] = asked;
      assert.equal(question?.RequestUri, url);
      if (framing === 'length' || framing === 'chunked') assert.ok(status < 400, String(status));
      const shown = question?.RequestBody === undefined ? undefined : Buffer.from(question.RequestBody, 'base64');
      if (created !== undefined) {
        assert.ok(shown !== undefined && shown.length <= mostShownBytes);
        const { Labels } = JSON.parse(shown.toString()) as { Labels: Record<string, string> };
        assert.equal(hash(String(created.Config.Labels['pad'])), hash(String(Labels['pad'])));
      } else if (shown !== undefined) {
        assert.equal(streamed[0], hash(shown));
      } else {
        const first = type[0]?.toLowerCase() ?? '';
        assert.ok(!/application\/json(;|$)/.test(first) || streamed[0] === hash(''), 'a JSON body was not shown');
      }
    }),
    { numRuns: 200 },
  );
  assert.ok(carriedOut > 15, `only ${carriedOut} requests were carried out`);
});

test('a denial names the plugin, nothing is done, and the next one is not asked', async (t) => {
  const guarded = await new Guarded().serve(t, ['first', 'second']);
  guarded.verdict = () => 'never on Sundays';
  const body = '{"Image":"i"}';
  const { status, text } = await guarded.send(
    head('POST', '/v1.44/containers/create', [json, `Content-Length: ${body.length}`, 'X-Registry-Auth: secret']),
    body,
  );
  assert.equal(status, 403);
  assert.match(text, /\{"message":"authorization denied by plugin first: never on Sundays"\}/);
  assert.equal(guarded.container.request, undefined);
  assert.deepEqual(guarded.asked, [
    {
      RequestMethod: 'POST',
      RequestUri: '/v1.44/containers/create',
      RequestBody: Buffer.from(body).toString('base64'),
      RequestHeaders: { Connection: 'close', 'Content-Type': 'application/json', 'Content-Length': '13' },
    },
  ]);
});

test('a body that is too large to be shown is denied, and a login is not shown', async (t) => {
  const guarded = await new Guarded().serve(t);
  const large = JSON.stringify({ Image: 'x'.repeat(mostShownBytes) });
  for (const framing of ['length', 'chunked']) {
    const [headers, bytes] = framings[framing]?.(large) ?? [[], ''];
    const { status, text } = await guarded.send(head('POST', '/containers/create', [json, ...headers]), bytes);
    assert.equal(status, 403);
    assert.match(text, /authorization denied: the request body is larger/);
  }
  assert.equal(guarded.container.request, undefined);
  assert.equal(guarded.asked.length, 0);
  const login = '{"username":"u","password":"secret"}';
  await guarded.send(head('POST', '/auth', [json, `Content-Length: ${login.length}`]), login);
  assert.equal(guarded.asked[0]?.RequestBody, undefined);
});

test('an answer is shown before it goes out, and nothing of a denied one does', async (t) => {
  const guarded = await new Guarded().serve(t);
  await guarded.send(head('GET', '/version', []));
  const [seen] = guarded.answered;
  assert.equal(seen?.ResponseStatusCode, 200);
  assert.equal(seen?.ResponseHeaders?.['Content-Type'], 'application/json');
  const view = JSON.parse(Buffer.from(seen?.ResponseBody ?? '', 'base64').toString()) as { Version: string };
  assert.equal(view.Version, '0.1');
  guarded.verdict = (about) => (about === 'response' ? 'too much' : undefined);
  const { status, text } = await guarded.send(head('GET', '/version', []));
  assert.equal(status, 403);
  assert.match(text, /authorization denied by plugin first: too much/);
  assert.doesNotMatch(text, /"Version"/);
  // A request that failed answers with its failure, as with Docker.
  assert.equal((await guarded.send(head('GET', '/containers/nope/json', []))).status, 404);
});

test('a plugin that fails answers 500 and admits nothing', async (t) => {
  const guarded = await new Guarded().serve(t);
  guarded.verdict = () => {
    throw new Error('out of order');
  };
  const { status, text } = await guarded.send(head('GET', '/version', []));
  assert.equal(status, 500);
  assert.match(text, /plugin first failed with error: out of order/);
});
