import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { readAll } from '../../base/stream.ts';
import { placesOf } from './places.ts';
import { createTransport } from './transport.ts';

const readCertificates = async (folders: string[], host: string) =>
  (await placesOf(folders, host, [])).registry.certificates;

function folderFor(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'certificates-'));
  context.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** A certificate that vouches for itself, as an authority and for 127.0.0.1. */
function makeCertificate(folder: string, name: string): { cert: string; key: string } {
  const [cert, key] = [join(folder, `${name}.pem`), join(folder, `${name}-key.pem`)];
  const words = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=${name}`;
  const more = ['-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert];
  execFileSync('openssl', [...words.split(' '), ...more], { stdio: 'ignore' });
  return { cert, key };
}

test('the folder of a registry: its authority is trusted, its client certificate is shown to it alone', async (context) => {
  const folder = folderFor(context);
  const [server, client] = [makeCertificate(folder, 'server'), makeCertificate(folder, 'client')];
  const listening = createServer(
    { cert: readFileSync(server.cert), key: readFileSync(server.key), requestCert: true, rejectUnauthorized: false },
    (request, response) => response.end((request.socket as TLSSocket).getPeerCertificate().subject?.CN ?? 'nobody'),
  );
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  context.after(() => listening.closeAllConnections());
  context.after(() => listening.close());
  const host = `127.0.0.1:${(listening.address() as AddressInfo).port}`;
  mkdirSync(join(folder, 'certs.d', host), { recursive: true });
  const at = (name: string): string => join(folder, 'certs.d', host, name);
  copyFileSync(server.cert, at('ca.crt'));
  copyFileSync(client.cert, at('client.cert'));
  copyFileSync(client.key, at('client.key'));

  const certificates = await readCertificates([join(folder, 'none'), join(folder, 'certs.d')], host);
  assert.equal(await readCertificates([join(folder, 'certs.d')], 'other.example'), undefined);
  const transport = createTransport({ headMs: 5000, stallMs: 5000, answerMs: 5000 });
  const ask = async (given: typeof certificates): Promise<string> => {
    const trust = { insecure: false, ownNetwork: true, certificates: given };
    const answer = await transport({ url: new URL(`https://${host}/`), headers: {}, trust });
    return new TextDecoder().decode(await readAll(answer.body, 100));
  };
  await assert.rejects(ask(undefined), /x509: certificate signed by unknown authority/);
  assert.equal(await ask(certificates), 'client');
  assert.equal(await ask(certificates && { ...certificates, host: 'registry.example' }), 'nobody');
});

test('a key without its certificate, a certificate without its key', async (context) => {
  const folder = folderFor(context);
  mkdirSync(join(folder, 'a'));
  writeFileSync(join(folder, 'a', 'x.cert'), '');
  await assert.rejects(readCertificates([folder], 'a'), { code: 'invalid', message: /^missing key x\.key for client/ });
  mkdirSync(join(folder, 'b'));
  writeFileSync(join(folder, 'b', 'x.key'), '');
  await assert.rejects(readCertificates([folder], 'b'), {
    message: /^missing client certificate x\.cert for key x\.key/,
  });
});
