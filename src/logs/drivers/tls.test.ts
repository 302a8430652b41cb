import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test, type TestContext } from 'node:test';
import { createServer, type TLSSocket } from 'node:tls';
import { driverContext, message, sendAll } from './_fixture.ts';
import { fluentdDriver } from './fluentd.ts';
import { syslogDriver } from './syslog.ts';

const skip = existsSync('/usr/bin/openssl') ? false : 'openssl is not installed';
const folder = mkdtempSync(join(tmpdir(), 'drivers-tls-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string): string => join(folder, name);
const openssl = (words: string) => execFileSync('openssl', words.split(' '), { stdio: 'ignore' });
const newKey = '-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes';

if (skip === false) {
  for (const name of ['ca', 'rogue'])
    openssl(`req -x509 ${newKey} -days 2 -subj /CN=${name} -keyout ${at(`${name}.key`)} -out ${at(`${name}.pem`)}`);
  writeFileSync(at('names'), 'subjectAltName=IP:127.0.0.1,DNS:localhost\n');
  for (const name of ['server', 'client']) {
    openssl(`req ${newKey} -subj /CN=${name} -keyout ${at(`${name}.key`)} -out ${at(`${name}.csr`)}`);
    const ca = `-CA ${at('ca.pem')} -CAkey ${at('ca.key')} -set_serial ${name.length}`;
    openssl(`x509 -req -in ${at(`${name}.csr`)} ${ca} -days 2 -extfile ${at('names')} -out ${at(`${name}.pem`)}`);
  }
}

/** A backend behind TLS that wants a certificate of its CA from its clients, or none. */
async function secureServer(t: TestContext, options: { readonly asks: boolean }) {
  const sockets = new Set<TLSSocket>();
  let text = '';
  let wake: (() => void) | undefined;
  const read = (name: string) => readFileSync(at(name));
  const server = createServer(
    {
      cert: read('server.pem'),
      key: read('server.key'),
      ca: read('ca.pem'),
      requestCert: options.asks,
      rejectUnauthorized: options.asks,
    },
    (socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.setEncoding('latin1').on('data', (more: string) => {
        text += more;
        wake?.();
      });
    },
  );
  server.on('tlsClientError', () => undefined);
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    received: () => text,
    async until(wanted: string): Promise<void> {
      while (!text.includes(wanted)) await new Promise<void>((resolve) => (wake = resolve));
    },
  };
}

test('syslog over TLS: octets counted, the backend checked, a certificate of the own', { skip }, async (t) => {
  const server = await secureServer(t, { asks: true });
  const own = { 'syslog-tls-cert': at('client.pem'), 'syslog-tls-key': at('client.key') };
  const driver = (more: Record<string, string>, host = '127.0.0.1') =>
    syslogDriver(
      driverContext('syslog', {
        'syslog-address': `tcp+tls://${host}:${server.port}`,
        'syslog-format': 'rfc5424',
        ...more,
      }),
    );
  for (const host of ['127.0.0.1', 'localhost']) {
    const good = driver({ ...own, 'syslog-tls-ca-cert': at('ca.pem') }, host);
    assert.equal(await sendAll(good, [message(`secret ${host}`)]), 1);
    await server.until(`secret ${host}`);
    good.close();
  }
  assert.match(server.received(), /^\d+ <30>1 /);
  const rogue = driver({ ...own, 'syslog-tls-ca-cert': at('rogue.pem') });
  await assert.rejects(sendAll(rogue, [message('unseen')]), /certificate|issuer/);
  const nobody = driver({ ...own });
  await assert.rejects(sendAll(nobody, [message('unseen')]), /certificate|issuer/);
  const trusting = driver({ ...own, 'syslog-tls-skip-verify': 'true' });
  await sendAll(trusting, [message('unchecked')]);
  await server.until('unchecked');
  for (const one of [rogue, nobody, trusting]) one.close();
  assert.ok(!server.received().includes('unseen'));
});

test('fluentd over TLS checks its backend by the CAs of the host', { skip }, async (t) => {
  const server = await secureServer(t, { asks: false });
  const driver = fluentdDriver(driverContext('fluentd', { 'fluentd-address': `tls://127.0.0.1:${server.port}` }));
  await assert.rejects(sendAll(driver, [message('unseen')]), /certificate|issuer/);
  driver.close();
  assert.equal(server.received(), '');
});
