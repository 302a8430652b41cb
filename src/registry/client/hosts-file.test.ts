import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { apiRoot, parseHostsFile } from './hosts-file.ts';
import { createRegistryClient } from './client.ts';
import { placesOf } from './places.ts';

const example = `
server = "https://registry.example"
skip_verify = true

[host."https://first.example:5000"]
  capabilities = ["pull", "Resolve"]
  ca = ["a.pem", "/b.pem"]
  client = [["c.pem", "c-key.pem"], "both.pem"]
  dial_timeout = "1.5s"
  [host."https://first.example:5000".header]
    X-Key = "secret"
    X-More = ["a", "b"]

[host."http://second.example/v2/hub"]
  override_path = true

[host.third]
`;

test('a whole file: the order counts', async () => {
  const { mirrors, server } = await parseHostsFile(example, '/f');
  assert.deepEqual(
    [...mirrors, server].map(({ root }) => root?.href),
    [
      'https://first.example:5000/v2/',
      'http://second.example/v2/hub/',
      'https://third/v2/',
      'https://registry.example/v2/',
    ],
  );
  const [first] = mirrors;
  assert.deepEqual([...(first?.capabilities ?? [])], ['pull', 'resolve']);
  assert.deepEqual(first?.authorities, ['a.pem', '/b.pem']);
  assert.deepEqual(first?.client, [
    { cert: 'c.pem', key: 'c-key.pem' },
    { cert: 'both.pem', key: undefined },
  ]);
  assert.deepEqual(first?.headers, { 'x-key': 'secret', 'x-more': 'a, b' });
  assert.equal(first?.dialTimeoutMs, 1500);
  assert.equal(first?.skipVerify, undefined);
  assert.deepEqual([server.skipVerify, server.capabilities.size], [true, 4]);
});

test('roots of APIs', () => {
  const roots = ['https://a', 'https://a/', 'https://a/v2', 'https://a/v2/', 'https://a/x//'].map((text) =>
    apiRoot(new URL(text)),
  );
  assert.deepEqual(
    roots.map(({ pathname }) => pathname),
    ['/v2/', '/v2/', '/v2/', '/v2/', '/x/v2/'],
  );
  assert.equal(apiRoot(new URL('https://a/x'), true).pathname, '/x/');
});

describe('what is wrong is named, with its line', () => {
  const cases: readonly [string, RegExp][] = [
    ['server = "https://a"\n\nfoo bar\n', /^\/f:3: invalid TOML: /],
    ['# one\nservr = "https://a"\n', /^\/f:2: servr: unknown key; known are server, host/],
    ['server = 5', /^\/f:1: server: expected a string/],
    ['server = "ftp://a"', /^\/f:1: server: expected a URL of http or https/],
    ['server = "https://u:p@a"', /^\/f:1: server: a URL with user or password/],
    ['server = "https://a/?x=1"', /^\/f:1: server: a URL with query/],
    ['host = "a"', /^\/f:1: host: expected tables/],
    ['[[host]]', /^\/f:1: host: expected tables/],
    [
      '\n[host."https://a"]\n\nskip_verify = "yes"\n',
      /^\/f:4: host\."https:\/\/a"\.skip_verify: expected true or false/,
    ],
    [
      '[host."https://a"]\n[host."https://b"]\ncapabilities = ["steal"]',
      /^\/f:3: .*b"\.capabilities: "steal": expected/,
    ],
    ['[host."https://a"]\nca = 5', /^\/f:2: .*ca: expected a path/],
    ['client = [["a"]]', /^\/f:1: client: expected a path, a list of paths, or a list of pairs/],
    ['dial_timeout = "soon"', /^\/f:1: dial_timeout: time: invalid duration/],
    ['dial_timeout = "-1s"', /^\/f:1: dial_timeout: expected more than nothing/],
    ['\n[host."https://a".header]\nx = 5', /^\/f:2: .*header: "x": expected a string/],
    ['[header]\nhost = "b"', /^\/f:1: header: "host" cannot be set/],
    ['[header]\nx = "a\\r\\nb"', /^\/f:1: header: /],
    [`a = ${'['.repeat(10_000)}`, /^\/f:1: invalid TOML/],
  ];
  for (const [text, says] of cases) {
    test(text.slice(0, 60), () => assert.rejects(parseHostsFile(text, '/f'), { code: 'invalid', message: says }));
  }
});

describe('folders', () => {
  function folderWith(context: TestContext, files: Readonly<Record<string, string>>): string {
    const root = mkdtempSync(join(tmpdir(), 'hosts-'));
    context.after(() => rmSync(root, { recursive: true }));
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(join(root, path, '..'), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    return root;
  }
  const mirror = (url: string): string => `[host."${url}"]\n`;
  const rootsOf = async (root: string, domain: string, mirrors: string[] = []) => {
    const found = await placesOf([join(root, 'one'), join(root, 'two')], domain, mirrors);
    return found.mirrors.map((place) => `${place.root?.href} ${place.namespace}`);
  };

  test('a registry has its own one in the first root that knows it; others have the default one', async (context) => {
    const root = folderWith(context, {
      'one/_default/hosts.toml': mirror('http://default'),
      'one/a.example:5000/hosts.toml': mirror('http://colon'),
      'two/b.example_5000_/hosts.toml': mirror('http://underscores'),
      'two/a.example:5000/hosts.toml': mirror('http://late'),
      'two/empty/hosts.toml': '\n',
    });
    assert.deepEqual(await rootsOf(root, 'a.example:5000'), ['http://colon/v2/ a.example:5000']);
    assert.deepEqual(await rootsOf(root, 'b.example:5000'), ['http://underscores/v2/ b.example:5000']);
    assert.deepEqual(await rootsOf(root, 'c.example'), ['http://default/v2/ c.example']);
    assert.deepEqual(await rootsOf(root, 'empty'), []);
  });

  test('mirrors of a file count more than those of flags; a place that is the registry is asked by its own name', async (context) => {
    const root = folderWith(context, {
      'one/docker.io/hosts.toml': `${mirror('https://registry-1.docker.io')}${mirror('http://m')}`,
    });
    assert.deepEqual(await rootsOf(root, 'docker.io', ['http://flag']), [
      'https://registry-1.docker.io/v2/ undefined',
      'http://m/v2/ docker.io',
    ]);
    const other = folderWith(context, {});
    assert.deepEqual(await rootsOf(other, 'docker.io', ['http://flag/x']), ['http://flag/x/v2/ docker.io']);
    assert.deepEqual(await rootsOf(other, 'registry.example', ['http://flag/x']), []);
    const { registry } = await placesOf([join(root, 'one')], 'docker.io', []);
    assert.deepEqual([registry.isRegistry, registry.root], [true, undefined]);
  });

  test('a login is not tried at another name that a registry has in its file', async (context) => {
    const root = folderWith(context, { 'a.example/hosts.toml': 'server = "http://127.0.0.1:1"\n' });
    const client = createRegistryClient({ userAgent: 'test', certificateFolders: [root] });
    const login = client.login('a.example', { username: 'u', password: 'p' }, AbortSignal.timeout(10_000));
    await assert.rejects(login, { code: 'invalid', message: /hosts\.toml: server: a\.example has another name there/ });
  });

  test('files that cannot be read, or are no PEM', async (context) => {
    const root = folderWith(context, {
      'one/a/hosts.toml': 'server = "https://a"\nca = "none.pem"\n',
      'one/b/hosts.toml': '[host."https://m"]\n  client = [["x.pem", "x.pem"]]\n',
      'one/b/x.pem': 'nothing',
      'one/c/hosts.toml/x': '',
    });
    await assert.rejects(rootsOf(root, 'a'), { message: /hosts\.toml:2: ca: cannot read none\.pem: ENOENT/ });
    await assert.rejects(rootsOf(root, 'b'), { message: /hosts\.toml:2: host\."https:\/\/m"\.client: a file without/ });
    await assert.rejects(rootsOf(root, 'c'), { message: /c\/hosts\.toml: EISDIR/ });
  });
});
