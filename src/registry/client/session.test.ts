import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseReference } from '../../spec/reference/reference.ts';
import { EngineError } from '../../base/errors.ts';
import { digestOfHex } from '../../base/ids.ts';
import { readAll } from '../../base/stream.ts';
import { firstOf } from './_mirrors.ts';
import type { Capability } from './hosts-file.ts';
import { RegistrySession } from './_session.ts';
import type { RemoteRepository } from './client.ts';
import type { RegistryCredentials } from './token.ts';
import { type Transport, TransportError, type TransportRequest, type TransportResponse } from './transport.ts';

interface Answer {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body?: string;
}

/** A network of answers by URL, which records what was asked. */
function fakeNetwork(answers: (request: TransportRequest) => Answer | TransportError) {
  const requests: TransportRequest[] = [];
  const transport: Transport = async (request) => {
    requests.push(request);
    const answer = answers(request);
    if (answer instanceof Error) throw answer;
    const response: TransportResponse = {
      url: request.url,
      status: answer.status,
      statusText: '',
      headers: answer.headers ?? {},
      body: (async function* () {
        yield new TextEncoder().encode(answer.body ?? '');
      })(),
      discard: () => undefined,
    };
    return response;
  };
  return { transport, requests };
}

const open = (transport: Transport, name: string, credentials?: RegistryCredentials, insecure: string[] = []) =>
  new RegistrySession(
    { transport, insecureRegistries: insecure, userAgent: 'test' },
    parseReference(name),
    credentials,
  );

const bearer = (realm: string) => ({
  status: 401,
  headers: { 'www-authenticate': `Bearer realm="${realm}",service="s",scope="repository:evil:push"` },
});

describe('authorization', () => {
  test('an anonymous token is fetched once, for pulling this repository only', async () => {
    const { transport, requests } = fakeNetwork(({ url, headers }) => {
      if (url.host === 'auth.example') return { status: 200, body: '{"token":"T"}' };
      return headers['authorization'] === 'Bearer T' ? { status: 200 } : bearer('https://auth.example/token?x=1');
    });
    const session = open(transport, 'registry.example/a/b');
    assert.equal((await session.get('manifests/x', {})).status, 200);
    assert.equal((await session.get('manifests/y', {})).status, 200);
    const token = requests.filter(({ url }) => url.host === 'auth.example');
    assert.deepEqual(
      token.map(({ url }) => url.href),
      ['https://auth.example/token?x=1&service=s&scope=repository%3Aa%2Fb%3Apull'],
    );
    assert.equal(requests.length, 4);
  });

  test('requests that are refused together share one new token', async () => {
    let tokens = 0;
    const { transport, requests } = fakeNetwork(({ url, headers }) => {
      if (url.host === 'auth.example') return { status: 200, body: `{"access_token":"T${++tokens}"}` };
      return headers['authorization'] === 'Bearer T1' ? { status: 200 } : bearer('https://auth.example/');
    });
    const session = open(transport, 'registry.example/a');
    const statuses = await Promise.all(['1', '2', '3'].map(async (path) => (await session.get(path, {})).status));
    assert.deepEqual(statuses, [200, 200, 200]);
    assert.equal(requests.filter(({ url }) => url.host === 'auth.example').length, 1);
  });

  test('a registry that is never satisfied is asked twice, no more', async () => {
    const { transport, requests } = fakeNetwork(({ url }) =>
      url.host === 'auth.example' ? { status: 200, body: '{"token":"T"}' } : bearer('https://auth.example/'),
    );
    assert.equal((await open(transport, 'registry.example/a').get('x', {})).status, 401);
    assert.equal(requests.length, 3);
  });

  for (const realm of ['http://auth.example/', 'file:///etc/passwd', 'nonsense', 'http://169.254.169.254/']) {
    test(`the realm ${realm} of an HTTPS registry gets nothing`, async () => {
      const { transport, requests } = fakeNetwork(() => bearer(realm));
      const session = open(transport, 'registry.example/a', { username: 'u', password: 'secret' });
      await assert.rejects(session.get('x', {}), /realm/);
      assert.equal(requests.length, 1);
    });
  }

  test('a token that would split the header is refused', async () => {
    const { transport } = fakeNetwork(({ url }) =>
      url.host === 'auth.example' ? { status: 200, body: '{"token":"a\\r\\nX: y"}' } : bearer('https://auth.example/'),
    );
    await assert.rejects(open(transport, 'registry.example/a').get('x', {}), /answered without a token/);
  });

  test('an identity token is exchanged by a form, and what comes instead of it is used from then on', async () => {
    const forms: URLSearchParams[] = [];
    const { transport, requests } = fakeNetwork(({ url, headers, body }) => {
      if (url.host !== 'auth.example') {
        return headers['authorization'] === 'Bearer T2' ? { status: 200 } : bearer('https://auth.example/token');
      }
      const bytes = [...((body?.open() ?? []) as Iterable<Uint8Array>)];
      forms.push(new URLSearchParams(Buffer.concat(bytes).toString()));
      return {
        status: 200,
        body: JSON.stringify({ access_token: `T${forms.length}`, refresh_token: `R${forms.length}` }),
      };
    });
    const session = open(transport, 'registry.example/a', { identityToken: 'R0' });
    assert.equal((await session.get('x', {})).status, 401);
    assert.equal((await session.get('y', {})).status, 200);
    assert.deepEqual(
      forms.map((form) => [...form]),
      ['R0', 'R1'].map((token) => [
        ['grant_type', 'refresh_token'],
        ['refresh_token', token],
        ['service', 's'],
        ['client_id', 'docker'],
        ['scope', 'repository:a:pull'],
      ]),
    );
    assert.equal(session.identityToken, 'R2');
    const [, form] = requests;
    assert.deepEqual([form?.method, form?.headers['authorization']], ['POST', undefined]);
    assert.equal(form?.headers['content-type'], 'application/x-www-form-urlencoded');
  });

  test('who keeps the password gets the token, and gives the password only where the registry wants it', async () => {
    const wishes: unknown[] = [];
    const credentials: RegistryCredentials = {
      tokens: async (wish) => {
        wishes.push(wish);
        return { token: 'T', expiresIn: 0 };
      },
      basic: async () => ({ username: 'u', password: 'p' }),
    };
    const { transport, requests } = fakeNetwork(({ headers }) =>
      headers['authorization'] === 'Bearer T' ? { status: 200 } : bearer('https://auth.example/token'),
    );
    const response = await open(transport, 'registry.example/a/b', credentials).get('x', {}, undefined);
    assert.equal(response.status, 200);
    assert.deepEqual(wishes, [{ realm: 'https://auth.example/token', service: 's', scope: 'repository:a/b:pull' }]);
    assert.ok(requests.every(({ url }) => url.host === 'registry.example'));
    const plain = fakeNetwork(({ headers }) =>
      headers['authorization'] === `Basic ${btoa('u:p')}`
        ? { status: 200 }
        : { status: 401, headers: { 'www-authenticate': 'Basic realm="r"' } },
    );
    assert.equal(
      (await open(plain.transport, 'registry.example/a/b', credentials).get('x', {}, undefined)).status,
      200,
    );
    const unsafe = { ...credentials, tokens: async () => ({ token: 'a\r\nb', expiresIn: 0 }) };
    await assert.rejects(open(transport, 'registry.example/a/b', unsafe).get('x', {}, undefined), /without a token/);
    const insecure = fakeNetwork(() => bearer('http://auth.example/token'));
    await assert.rejects(
      open(insecure.transport, 'registry.example/a/b', credentials).get('x', {}, undefined),
      /it is not HTTPS/,
    );
  });

  test('a token is renewed before it ends, with the challenge that there was', async (context) => {
    let tokens = 0;
    const { transport, requests } = fakeNetwork(({ url, headers }) => {
      if (url.host === 'auth.example') return { status: 200, body: `{"token":"T${++tokens}","expires_in":100}` };
      return headers['authorization'] === undefined ? bearer('https://auth.example/') : { status: 200 };
    });
    const session = open(transport, 'registry.example/a');
    let now = 0;
    context.mock.method(performance, 'now', () => now);
    await session.get('x', {});
    now = 89_000;
    await session.get('y', {});
    assert.equal(tokens, 1);
    now = 91_000;
    await Promise.all([session.get('z', {}), session.get('z', {})]);
    assert.equal(tokens, 2);
    const sent = requests
      .filter(({ url }) => url.host !== 'auth.example')
      .map(({ headers }) => headers['authorization']);
    assert.deepEqual(sent, [undefined, 'Bearer T1', 'Bearer T1', 'Bearer T2', 'Bearer T2']);
  });

  test('a login asks for an identity token, by a form where the server knows no other way', async () => {
    for (const knowsQueries of [true, false]) {
      const { transport, requests } = fakeNetwork(({ url, method, headers }) => {
        if (url.host !== 'auth.example') {
          return headers['authorization'] === 'Bearer T' ? { status: 200 } : bearer('https://auth.example/token');
        }
        if (method !== 'POST' && !knowsQueries) return { status: 405 };
        return { status: 200, body: '{"token":"T","refresh_token":"R"}' };
      });
      const options = { transport, insecureRegistries: [], userAgent: 'test' };
      const where = { domain: 'registry.example', path: '' };
      const session = new RegistrySession(options, where, { username: 'u', password: 'p' });
      assert.equal((await session.base()).status, 200);
      assert.equal(session.identityToken, 'R');
      const asked = requests.filter(({ url }) => url.host === 'auth.example');
      assert.equal(asked[0]?.url.search, '?service=s&account=u&offline_token=true&client_id=docker');
      assert.equal(asked.length, knowsQueries ? 1 : 2);
    }
  });

  for (const [status, body, code] of [
    [401, '', 'unavailable'],
    [401, '{"errors":[{"code":"UNAUTHORIZED","message":"incorrect username or password"}]}', 'not-found'],
    [401, '{"details":"incorrect username or password"}', 'not-found'],
    [500, '{"errors":[{"code":"UNAUTHORIZED","message":"no"}]}', 'unavailable'],
  ] as const) {
    test(`a token server that answers ${status} ${body} is ${code}`, async () => {
      const { transport } = fakeNetwork(({ url }) =>
        url.host === 'auth.example' ? { status, body } : bearer('https://auth.example/'),
      );
      await assert.rejects(open(transport, 'registry.example/a').get('x', {}), {
        code,
        message: /failed to fetch anonymous token: ./,
      });
    });
  }

  test('basic authentication goes only to who asks for it', async () => {
    const { transport, requests } = fakeNetwork(({ headers }) =>
      headers['authorization'] === undefined
        ? { status: 401, headers: { 'www-authenticate': 'Basic realm="r"' } }
        : { status: 200 },
    );
    const session = open(transport, 'registry.example/a', { username: 'u', password: 'p' });
    assert.equal((await session.get('x', {})).status, 200);
    assert.equal(requests[1]?.headers['authorization'], `Basic ${btoa('u:p')}`);
  });
});

describe('requests with a body', () => {
  const login = { username: 'u', password: 'p' };
  const body = {
    length: 3,
    open: function* () {
      yield new TextEncoder().encode('abc');
    },
  };

  test('ask for both accesses, and for the repository that a blob is mounted from', async () => {
    const { transport, requests } = fakeNetwork(({ url, headers }) => {
      if (url.host === 'auth.example') return { status: 200, body: `{"token":"${btoa(url.search)}"}` };
      return headers['authorization'] === undefined ? bearer('https://auth.example/') : { status: 202 };
    });
    const session = new RegistrySession(
      { transport, insecureRegistries: [], userAgent: 'test' },
      parseReference('registry.example/a'),
      login,
      'push',
    );
    await session.send({ method: 'POST', target: 'blobs/uploads/' });
    await session.send({ method: 'POST', target: 'blobs/uploads/?mount=x&from=b/c', from: 'b/c' });
    assert.deepEqual(
      requests.flatMap(({ url }) => url.searchParams.get('scope') ?? []),
      ['repository:a:pull,push', 'repository:a:pull,push repository:b/c:pull'],
    );
    assert.equal(requests.at(-1)?.url.href, 'https://registry.example/v2/a/blobs/uploads/?mount=x&from=b/c');
  });

  test('follow only redirects that keep the method', async () => {
    const { transport, requests } = fakeNetwork(({ url }) => ({
      status: url.host === 'registry.example' ? Number(url.pathname.split('/').at(-1)) : 201,
      headers: { location: 'https://storage.example/put' },
    }));
    const session = open(transport, 'registry.example/a');
    assert.equal((await session.send({ method: 'PUT', target: '307', body })).status, 201);
    assert.deepEqual(
      requests.map(({ url, method, body: sent }) => [url.host, method, sent]),
      [
        ['registry.example', 'PUT', body],
        ['storage.example', 'PUT', body],
      ],
    );
    for (const status of [301, 302, 303]) {
      assert.equal((await session.send({ method: 'PUT', target: String(status), body })).status, status);
    }
  });

  test('to a location on another host carry no authorization, and answer no challenge of it', async () => {
    const { transport, requests } = fakeNetwork(({ headers }) =>
      headers['authorization'] === undefined
        ? { status: 401, headers: { 'www-authenticate': 'Basic realm="r"' } }
        : { status: 202 },
    );
    const session = open(transport, 'registry.example/a', login);
    assert.equal((await session.send({ method: 'POST', target: 'blobs/uploads/' })).status, 202);
    const target = new URL('https://user:word@evil.example/upload');
    assert.equal((await session.send({ method: 'PUT', target, body })).status, 401);
    assert.equal(requests.at(-1)?.url.href, 'https://evil.example/upload');
    assert.equal(requests.at(-1)?.headers['authorization'], undefined);
    assert.equal(requests.length, 3);
    for (const bad of ['http://registry.example/x', 'file:///etc/shadow']) {
      await assert.rejects(session.send({ method: 'PUT', target: new URL(bad), body }), /refused a location/);
    }
    const own = new URL('https://registry.example/v2/a/blobs/uploads/1');
    assert.equal((await session.send({ method: 'PUT', target: own, body })).status, 202);
  });
});

describe('redirects', () => {
  const start = (location: string) =>
    fakeNetwork(({ url, headers }) => {
      if (url.host !== 'registry.example') return { status: 200 };
      if (headers['authorization'] === undefined)
        return { status: 401, headers: { 'www-authenticate': 'Basic realm="r"' } };
      return { status: 307, headers: { location } };
    });
  const login = { username: 'u', password: 'p' };

  test('never take the authorization to another host', async () => {
    const { transport, requests } = start('https://cdn.example/blob?signature=1');
    const response = await open(transport, 'registry.example/a', login).get('x', {});
    assert.equal(response.url.host, 'cdn.example');
    assert.equal(requests.at(-1)?.headers['authorization'], undefined);
    assert.equal(requests.at(-2)?.headers['authorization'], `Basic ${btoa('u:p')}`);
  });

  for (const location of ['http://cdn.example/', 'file:///etc/shadow', 'ftp://x/']) {
    test(`to ${location} are refused`, async () => {
      const { transport, requests } = start(location);
      await assert.rejects(open(transport, 'registry.example/a', login).get('x', {}), /refused a redirect/);
      assert.ok(requests.every(({ url }) => url.host === 'registry.example'));
    });
  }

  test('end after a few', async () => {
    const { transport } = fakeNetwork(() => ({ status: 302, headers: { location: '/again' } }));
    await assert.rejects(open(transport, 'registry.example/a').get('x', {}), /stopped after 5 redirects/);
  });
});

describe('the scheme', () => {
  const noTls = fakeNetwork(({ url }) =>
    url.protocol === 'https:'
      ? new TransportError({ url }, 'http: server gave HTTP response to HTTPS client', { tls: true })
      : { status: 200 },
  );

  test('is HTTPS, without a way back', async () => {
    await assert.rejects(open(noTls.transport, 'registry.example/a').get('x', {}), /HTTP response to HTTPS client/);
  });

  test('is HTTP for insecure and loopback registries where HTTPS does not answer', async () => {
    const names = [
      'localhost:5000/a',
      '127.0.0.1:5000/a',
      '127.8.8.8/a',
      '[::1]:5000/a',
      '10.1.2.3:5000/a',
      'listed.example/a',
    ];
    for (const name of names) {
      const session = open(noTls.transport, name, undefined, ['10.0.0.0/8', 'listed.example']);
      assert.equal((await session.get('x', {})).url.protocol, 'http:', name);
    }
    await assert.rejects(open(noTls.transport, '10.1.2.3:5000/a').get('x', {}));
  });
});

const every: ReadonlySet<Capability> = new Set(['pull', 'resolve']);

describe('a mirror', () => {
  test('is asked below its own path, without credentials, and for what it has not got the registry is', async () => {
    const { transport, requests } = fakeNetwork(({ url }) =>
      url.host === 'mirror.example' ? { status: 404, body: '{}' } : { status: 200, body: '{}' },
    );
    const options = { transport, insecureRegistries: [], userAgent: 'test' };
    const mirror = { isRegistry: false, capabilities: every };
    const session = new RegistrySession(
      {
        ...options,
        place: async () => ({ ...mirror, root: new URL('http://mirror.example/hub/v2/'), namespace: 'docker.io' }),
      },
      parseReference('docker.io/library/alpine'),
      { username: 'u', password: 'p' },
    );
    assert.equal((await session.get('manifests/latest', {})).status, 404);
    assert.deepEqual(
      requests.map(({ url, trust }) => [url.href, trust]),
      [
        [
          'http://mirror.example/hub/v2/library/alpine/manifests/latest?ns=docker.io',
          { insecure: true, ownNetwork: false, certificates: undefined },
        ],
      ],
    );
  });

  const place = (answer: () => Promise<never> | ReturnType<RemoteRepository['manifest']>, bytes = '', cut = false) => {
    const asked: number[] = [];
    const remote: RemoteRepository = {
      manifest: answer,
      tags: () => Promise.reject(new EngineError('not-found', 'none')),
      referrers: () => Promise.reject(new EngineError('not-found', 'none')),
      async *blob(_, { from = 0 }) {
        asked.push(from);
        yield new TextEncoder().encode(bytes.slice(from));
        if (cut) throw new EngineError('unavailable', 'unexpected EOF');
      },
    };
    return { remote, asked };
  };
  const source = ({ remote }: { remote: RemoteRepository }, capabilities = every) => ({ remote, capabilities });
  const missing = () => Promise.reject(new EngineError('not-found', 'none here'));
  const blob = { mediaType: '', digest: digestOfHex('0'.repeat(64)), size: 6 };

  test('that breaks in the middle of a layer is followed by the next place, from there on', async () => {
    const [mirror, registry] = [place(missing, 'abc', true), place(missing, 'abcdef')];
    const remote = firstOf(async () => [source(mirror), source(registry)]);
    assert.equal(new TextDecoder().decode(await readAll(remote.blob(blob, {}), 100)), 'abcdef');
    assert.deepEqual([mirror.asked, registry.asked], [[0], [3]]);
    await assert.rejects(remote.manifest(parseReference('x')), /none here/);
  });

  test('is not asked what a tag means when it may not say so', async () => {
    const asked: string[] = [];
    const found = (name: string) => () => {
      asked.push(name);
      return Promise.resolve({ descriptor: blob, bytes: new Uint8Array() });
    };
    const pulling: ReadonlySet<Capability> = new Set(['pull']);
    const [mirror, registry] = [place(found('mirror'), 'abcdef'), place(found('registry'))];
    const remote = firstOf(async () => [source(mirror, pulling), source(registry, new Set(['resolve']))]);
    await remote.manifest(parseReference('x:tag'));
    await remote.manifest({ ...parseReference('x'), digest: blob.digest });
    assert.deepEqual(asked, ['registry', 'mirror']);
    assert.equal(new TextDecoder().decode(await readAll(remote.blob(blob, {}), 100)), 'abcdef');
    const unable = firstOf(async () => [source(mirror, pulling)]);
    await assert.rejects(unable.tags(), { code: 'not-found', message: /none has the capability resolve/ });
  });

  test('gets its own headers, and takes them nowhere else; the registry under another name gets no credentials', async () => {
    const { transport, requests } = fakeNetwork(({ url, headers }) =>
      url.host === 'mirror.example' && headers['authorization'] === undefined
        ? { status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } }
        : url.pathname.endsWith('/moved')
          ? { status: 302, headers: { location: 'https://store.example/there' } }
          : { status: 200 },
    );
    const options = { transport, insecureRegistries: [], userAgent: 'test' };
    const root = new URL('https://mirror.example/v2/');
    const at = (headers: Record<string, string>) =>
      new RegistrySession(
        { ...options, place: async () => ({ root, isRegistry: false, capabilities: every, headers }) },
        parseReference('registry.example/a'),
        { username: 'u', password: 'p' },
      );
    assert.equal((await at({ 'x-key': 'k' }).get('x', {})).status, 401);
    await at({ 'x-key': 'k', authorization: 'Bearer own' })
      .get('moved', {})
      .catch(() => undefined);
    assert.deepEqual(
      requests.map(({ url, headers }) => [url.host, headers['x-key'], headers['authorization']]),
      [
        ['mirror.example', 'k', undefined],
        ['mirror.example', 'k', 'Bearer own'],
        ['store.example', undefined, undefined],
      ].slice(0, requests.length),
    );
    assert.equal(requests.length, 3);
  });

  test('is not passed over when the pull is cancelled', async () => {
    const cancelled = place(() => Promise.reject(new EngineError('cancelled', 'enough')));
    const never = place(() => assert.fail('asked'));
    await assert.rejects(
      firstOf(async () => [source(cancelled), source(never)]).manifest(parseReference('x')),
      /enough/,
    );
  });
});
