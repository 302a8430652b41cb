import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Namespaces } from '../support/namespaces.ts';
import { ended } from '../support/run.ts';
import { eventually } from '../support/wait.ts';

/** Files of a folder over HTTP, and its bare git repositories over git's own protocol, where an engine can reach them. */
export interface FileServer extends AsyncDisposable {
  /** `http://127.0.0.1:PORT`. */
  readonly address: string;
  /** `git://127.0.0.1:PORT`. */
  readonly git: string;
  /** `METHOD PATH STATUS` of the requests so far. */
  readonly requests: readonly string[];
}

const program = `
const [folder, port] = process.argv.slice(1);
const fs = require('node:fs');
const crypto = require('node:crypto');
const server = require('node:http').createServer((request, response) => {
  const path = decodeURIComponent(new URL(request.url, 'http://x').pathname);
  const end = (status, body, headers = {}) => {
    console.log(request.method + ' ' + path + ' ' + status);
    response.writeHead(status, headers).end(body);
  };
  if (path === '/moved') return end(302, '', { location: '/plain.txt' });
  if (path === '/endless') { console.log('GET /endless 200'); response.writeHead(200); response.write('x'); return; }
  let content;
  try { content = fs.readFileSync(folder + path); } catch { return end(404, 'nothing here'); }
  const etag = '"' + crypto.createHash('sha256').update(content).digest('hex').slice(0, 16) + '"';
  const headers = { etag, 'last-modified': 'Tue, 01 Feb 2022 10:00:00 GMT', 'content-length': content.length };
  if (request.headers['if-none-match'] === etag) return end(304, undefined, { etag });
  end(200, content, headers);
}).listen(Number(port), '127.0.0.1', () => console.log('listening'));
`;

const ports = { http: 8088, git: 9418 };

export async function serveFiles(namespaces: Namespaces, folder: string): Promise<FileServer> {
  const [node, ...nodeArgs] = namespaces.enter([process.execPath, '-e', program, folder, String(ports.http)]);
  const web = spawn(node, nodeArgs, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [git, ...gitArgs] = namespaces.enter([
    'git',
    'daemon',
    '--reuseaddr',
    '--export-all',
    '--listen=127.0.0.1',
    `--port=${ports.git}`,
    `--base-path=${folder}`,
    folder,
  ]);
  const daemon = spawn(git, gitArgs, { stdio: 'ignore' });
  const ends = [ended(web), ended(daemon)];
  const requests: string[] = [];
  const lines = createInterface({ input: web.stdout });
  lines.on('line', (line) => requests.push(line));
  await once(lines, 'line');
  requests.length = 0;
  const [probe, ...probeArgs] = namespaces.enter(['git', 'ls-remote', `git://127.0.0.1:${ports.git}/repo.git`]);
  await eventually('git daemon answers', async () => {
    const { code } = await ended(spawn(probe, probeArgs, { stdio: 'ignore' }));
    return code === 0;
  });
  return {
    address: `http://127.0.0.1:${ports.http}`,
    git: `git://127.0.0.1:${ports.git}`,
    requests,
    async [Symbol.asyncDispose]() {
      web.kill('SIGKILL');
      daemon.kill('SIGTERM');
      await Promise.all(ends);
    },
  };
}
