import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Namespaces } from '../support/namespaces.ts';
import { ended } from '../support/run.ts';

/** Bytes `from` up to `until` of a large blob that one request brought. */
export interface Taken {
  readonly from: number;
  readonly until: number;
}

/**
 * A registry that takes pushes, and keeps what arrived of an upload that broke. Large blobs come up to the next of some
 * offsets only. A blob whose digest is wrong is refused.
 */
export interface KeepingRegistry extends AsyncDisposable {
  readonly host: string;
  /** What the requests with large bodies have brought so far, in order. */
  readonly taken: readonly Taken[];
}

/** How a request ends at an offset: the connection closes, or nothing is read any more. */
export type Ending = 'close' | 'hold';

const program = `
const [folder, ending, ...offsets] = process.argv.slice(1);
const fs = require('node:fs');
const { createHash } = require('node:crypto');
const cuts = offsets.map(Number);
const blobs = new Map();
const uploads = new Map();
let count = 0;
const sizeOf = (path) => fs.statSync(path).size;
const where = (id) => ({ location: '/v2/app/blobs/uploads/' + id, range: '0-' + Math.max(0, sizeOf(uploads.get(id)) - 1) });
function take(request, path, whole) {
  const from = sizeOf(path);
  const isLarge = Number(request.headers['content-length']) > 1e6;
  const until = isLarge && cuts.length > 0 ? cuts[0] : Infinity;
  let at = from;
  const stopped = () => {
    cuts.shift();
    console.log(from + ' ' + at);
    if (ending === 'close') return request.socket.destroy();
    request.pause();
  };
  request.on('data', (chunk) => {
    if (at >= until) return;
    const part = chunk.subarray(0, until - at);
    fs.appendFileSync(path, part);
    at += part.length;
    if (at === until) stopped();
  });
  request.on('end', () => {
    if (at >= until) return;
    if (isLarge) console.log(from + ' ' + at);
    whole();
  });
}
require('node:http').createServer((request, response) => {
  const url = new URL(request.url, 'http://x');
  const name = url.pathname.split('/').at(-1);
  const { method } = request;
  const finish = (status, headers) => response.writeHead(status, headers).end();
  if (url.pathname === '/v2/') return finish(200);
  if (method === 'HEAD') return finish(blobs.has(name) ? 200 : 404);
  if (url.pathname.includes('/manifests/')) {
    request.resume();
    return request.on('end', () => finish(201));
  }
  if (method === 'POST') {
    const id = String(++count);
    uploads.set(id, folder + '/' + id);
    fs.writeFileSync(folder + '/' + id, '');
    return finish(202, where(id));
  }
  const path = uploads.get(name);
  if (path === undefined) return finish(404);
  if (method === 'GET') return finish(204, where(name));
  const range = request.headers['content-range'];
  if (method === 'PATCH' && !range.startsWith(sizeOf(path) + '-')) return finish(416, where(name));
  if (method === 'PUT' && range === undefined && request.headers['content-length'] !== '0') fs.truncateSync(path);
  take(request, path, () => {
    if (method === 'PATCH') return finish(202, where(name));
    const hash = createHash('sha256').update(fs.readFileSync(path)).digest('hex');
    uploads.delete(name);
    if (url.searchParams.get('digest') !== 'sha256:' + hash) return finish(400);
    blobs.set('sha256:' + hash, path);
    finish(201);
  });
}).listen(5000, '127.0.0.1', () => console.log('ready'));
`;

/** Listens on the loopback interface of the engine's namespace. */
export async function startKeepingRegistry(
  namespaces: Namespaces,
  ending: Ending,
  offsets: readonly number[],
): Promise<KeepingRegistry> {
  const folder = await mkdtemp(join(tmpdir(), 'gantry-keeping-'));
  const [command, ...args] = namespaces.enter([
    process.execPath,
    '-e',
    program,
    folder,
    ending,
    ...offsets.map(String),
  ]);
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const end = ended(child);
  const taken: Taken[] = [];
  const lines = createInterface(child.stdout);
  await once(lines, 'line');
  lines.on('line', (line) => {
    const [from = 0, until = 0] = line.split(' ').map(Number);
    taken.push({ from, until });
  });
  return {
    host: '127.0.0.1:5000',
    taken,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await end;
      await rm(folder, { recursive: true, force: true });
    },
  };
}
