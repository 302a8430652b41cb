import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { readAll } from '../../base/stream.ts';
import { parseProxy, proxyChoice } from './proxy.ts';
import { createTransport } from './transport.ts';

const through = (none: string, url: string): boolean =>
  proxyChoice({ http: 'http://proxy:1', https: 'http://proxy:1', none })(new URL(url)) !== undefined;

describe('what is reached directly', () => {
  test('this host, always', () => {
    for (const host of ['localhost', '127.0.0.1:5000', '[::1]:5000', 'a.localhost', '127.9.9.9']) {
      assert.equal(through('', `https://${host}/`), false, host);
    }
    assert.equal(through('', 'https://localhost.example/'), true);
  });

  const cases: readonly [string, readonly string[], readonly string[]][] = [
    ['*', ['https://a', 'http://10.0.0.1'], []],
    ['a, *', ['https://b'], []],
    ['foo.com', ['https://foo.com', 'http://bar.foo.com', 'https://FOO.com:5000'], ['https://xfoo.com', 'https://com']],
    ['.foo.com', ['https://bar.foo.com'], ['https://foo.com']],
    ['*.foo.com', ['https://bar.foo.com', 'https://a.b.foo.com'], ['https://foo.com', 'https://xfoo.com']],
    ['foo.com:5000', ['https://foo.com:5000', 'https://a.foo.com:5000'], ['https://foo.com', 'https://foo.com:5001']],
    ['foo.com:443', ['https://foo.com'], ['http://foo.com']],
    ['foo.com:80', ['http://foo.com'], ['https://foo.com']],
    [' b.com , foo.com ', ['https://b.com', 'https://foo.com'], ['https://c.com']],
    ['10.0.0.0/8', ['https://10.1.2.3', 'https://10.1.2.3:5000'], ['https://11.0.0.1', 'https://10.example']],
    ['10.0.0.1', ['https://10.0.0.1', 'https://10.0.0.1:99'], ['https://10.0.0.2']],
    ['10.0.0.1:99', ['https://10.0.0.1:99'], ['https://10.0.0.1']],
    ['fd00::/8', ['https://[fd00::1]:5000'], ['https://[fe00::1]']],
    ['fd00::1', ['https://[fd00:0::1]'], ['https://[fd00::2]']],
    ['[fd00::1]:99', ['https://[fd00::1]:99'], ['https://[fd00::1]']],
    // A name never stands for addresses, and what is nonsense stands for nothing.
    ['1', [], ['https://10.0.0.1']],
    ['.1,:,:80,/,a/b,10.0.0.0/99,,', [], ['https://10.0.0.1', 'http://b', 'https://a']],
    ['bücher.example', ['https://bücher.example', 'https://a.xn--bcher-kva.example'], ['https://example']],
  ];
  for (const [none, direct, proxied] of cases) {
    test(none, () => {
      for (const url of direct) assert.equal(through(none, url), false, url);
      for (const url of proxied) assert.equal(through(none, url), true, url);
    });
  }

  test('schemes without a proxy; a proxy that is none is told without its text', () => {
    const choose = proxyChoice({ http: '', https: 'user:secret@proxy:3128', none: '' });
    assert.equal(choose(new URL('http://a')), undefined);
    assert.equal(choose(new URL('https://a'))?.href, 'http://user:secret@proxy:3128/');
    assert.equal(parseProxy('socks5://a:1'), undefined);
    const wrong = proxyChoice({ http: 'socks5://user:secret@a', https: '', none: '' });
    assert.throws(() => wrong(new URL('http://a')), {
      code: 'invalid',
      message: /^invalid proxy address for HTTP: (?!.*secret)/,
    });
  });
});

/** A proxy that knows one host, and what it was asked for. */
async function startProxy(context: TestContext, target: number) {
  const asked: string[] = [];
  const proxy = createServer((request, response) => {
    asked.push(`${request.method} ${request.url} ${request.headers.host} ${request.headers['proxy-authorization']}`);
    response.end(`for ${request.url}`);
  });
  proxy.on('connect', (request, socket) => {
    asked.push(`CONNECT ${request.url} ${request.headers['proxy-authorization']}`);
    if (request.url?.startsWith('denied.') === true) {
      socket.end('HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n');
      return;
    }
    if (request.url?.startsWith('silent.') === true) return;
    const to = connect(target, '127.0.0.1');
    to.on('error', () => socket.destroy());
    socket.on('error', () => to.destroy());
    socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
    socket.pipe(to).pipe(socket);
  });
  const port = await listen(context, proxy);
  return { asked, url: `http://user:p%40ss@127.0.0.1:${port}` };
}

async function listen(context: TestContext, server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

describe('a proxy', () => {
  const user = `Basic ${Buffer.from('user:p@ss').toString('base64')}`;
  const trust = { insecure: false, ownNetwork: false };
  const transportBy = (url: string, headMs = 20_000) =>
    createTransport(
      { headMs, stallMs: 20_000, answerMs: 20_000 },
      proxyChoice({ http: url, https: url, none: 'direct.invalid' }),
    );

  test('is told whole URLs of http, and tunnels https: the certificate is the target’s', async (context) => {
    const folder = mkdtempSync(join(tmpdir(), 'proxy-'));
    context.after(() => rmSync(folder, { recursive: true }));
    const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
    const words =
      'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=registry.invalid';
    const more = ['-addext', 'subjectAltName=DNS:registry.invalid', '-keyout', key, '-out', cert];
    execFileSync('openssl', [...words.split(' '), ...more], { stdio: 'ignore' });
    const seen: (string | undefined)[] = [];
    const secure = createSecureServer({ cert: readFileSync(cert), key: readFileSync(key) }, (request, response) => {
      seen.push(request.headers['proxy-authorization'], request.headers.host, request.url);
      response.end('inside');
    });
    const { url, asked } = await startProxy(context, await listen(context, secure));
    const transport = transportBy(url);
    const ask = async (text: string, authorities: string[] = []): Promise<string> => {
      const certificates = { host: '', authorities, client: [] };
      const answer = await transport({ url: new URL(text), headers: {}, trust: { ...trust, certificates } });
      return new TextDecoder().decode(await readAll(answer.body, 1000));
    };
    const own = [readFileSync(cert, 'utf8')];
    assert.equal(await ask('http://registry.invalid/v2/?x=1#y'), 'for http://registry.invalid/v2/?x=1');
    assert.equal(await ask('https://registry.invalid/v2/', own), 'inside');
    assert.equal(await ask('https://registry.invalid/again', own), 'inside');
    await assert.rejects(ask('https://registry.invalid/v2/'), /x509: certificate signed by unknown authority/);
    await assert.rejects(ask('https://other.invalid/v2/', own), /tls: failed to verify certificate/);
    // The connection of the tunnel is kept; the proxy's password stays with the proxy.
    assert.deepEqual(asked, [
      `GET http://registry.invalid/v2/?x=1 registry.invalid ${user}`,
      `CONNECT registry.invalid:443 ${user}`,
      `CONNECT registry.invalid:443 ${user}`,
      `CONNECT other.invalid:443 ${user}`,
    ]);
    assert.deepEqual(seen, [undefined, 'registry.invalid', '/v2/', undefined, 'registry.invalid', '/again']);
  });

  test('that refuses, says nothing, or is not there: an error without its password', async (context) => {
    const { url } = await startProxy(context, 1);
    const ask = (proxy: string, text: string) => transportBy(proxy)({ url: new URL(text), headers: {}, trust });
    await assert.rejects(
      ask(url, 'https://denied.invalid/v2/'),
      /"https:\/\/denied\.invalid\/v2\/": Proxy Authentication Required$/,
    );
    const impatient = transportBy(url, 300)({ url: new URL('https://silent.invalid/v2/'), headers: {}, trust });
    await assert.rejects(impatient, /i\/o timeout|timeout exceeded/);
    const gone = 'http://user:p%40ss@127.0.0.1:1';
    for (const target of ['https://a.invalid/', 'http://a.invalid/']) {
      await assert.rejects(ask(gone, target), {
        message: `Get "${target}": proxyconnect tcp: dial tcp 127.0.0.1:1: connect: connection refused`,
      });
    }
    await assert.rejects(ask(gone, 'http://direct.invalid/'), /dial tcp: lookup direct\.invalid/);
    // What no registry may lead to is refused before a proxy hears of it.
    await assert.rejects(ask(url, 'http://169.254.169.254/'), /the address belongs to this host or its own link/);
  });
});
