import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Namespaces } from '../support/namespaces.ts';
import { ended } from '../support/run.ts';

/** A token server as registries have them beside them (distribution's token specification), on 127.0.0.1 of an engine's network. */
export interface TokenServer extends AsyncDisposable {
  readonly realm: string;
  /** Of the key that signs the tokens. */
  readonly certificate: string;
  /** `METHOD USER CLIENT SCOPES STATUS` of the requests so far. */
  readonly requests: readonly string[];
}

const port = 5001;

/** Its one user is `builder`: who shows the password gets what is asked for, anybody else a token for nothing. */
const program = `
const [folder, password, port] = process.argv.slice(1);
const fs = require('node:fs');
const crypto = require('node:crypto');
const key = fs.readFileSync(folder + '/key.pem');
const chain = [fs.readFileSync(folder + '/cert.pem', 'utf8').replace(/-----[^-]*-----|\\s/g, '')];
const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
function token(user, scopes) {
  const now = Math.floor(Date.now() / 1000);
  const access = scopes.map((scope) => scope.split(':')).map(([type, ...rest]) =>
    ({ type, name: rest.slice(0, -1).join(':'), actions: rest.at(-1).split(',') }));
  const claims = { iss: 'test', sub: user, aud: 'test', exp: now + 60, nbf: now - 10, iat: now, jti: crypto.randomUUID(), access };
  const text = part({ typ: 'JWT', alg: 'RS256', x5c: chain }) + '.' + part(claims);
  return text + '.' + crypto.sign('sha256', text, key).toString('base64url');
}
require('node:http').createServer(async (request, response) => {
  let body = '';
  for await (const chunk of request) body += chunk;
  const query = request.method === 'POST' ? new URLSearchParams(body) : new URL(request.url, 'http://x').searchParams;
  const [user = '', given = ''] = request.method === 'POST'
    ? [query.get('username') ?? '', query.get('password') ?? '']
    : Buffer.from((request.headers.authorization ?? '').replace('Basic ', ''), 'base64').toString().split(':');
  const isKnown = user === 'builder' && given === password;
  const scopes = query.getAll('scope').join(' ').split(' ').filter((scope) => scope !== '');
  const status = user === '' || isKnown ? 200 : 401;
  console.log([request.method, user || '-', query.get('client_id') ?? '-', scopes.join('+') || '-', status].join(' '));
  const made = token(user, isKnown ? scopes : []);
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(status === 200 ? { token: made, access_token: made, expires_in: 60 } : { details: 'incorrect username or password' }));
}).listen(Number(port), '127.0.0.1', () => console.log('listening'));
`;

export async function startTokenServer(namespaces: Namespaces, password: string): Promise<TokenServer> {
  const folder = await mkdtemp(join(tmpdir(), 'gantry-tokens-'));
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const about = ['-subj', '/CN=test', '-days', '2', '-keyout', key, '-out', certificate];
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', ...about], { stdio: 'ignore' });
  const words = [process.execPath, '-e', program, folder, password, String(port)];
  const [command, ...args] = namespaces.enter(words);
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const end = ended(child);
  const requests: string[] = [];
  const lines = createInterface({ input: child.stdout });
  lines.on('line', (line) => requests.push(line));
  await once(lines, 'line');
  requests.length = 0;
  return {
    realm: `http://127.0.0.1:${port}/token`,
    certificate,
    requests,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await end;
      await rm(folder, { recursive: true });
    },
  };
}
