import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type CraftedImage, mediaTypes, ociBlobs, sha256 } from '../support/crafted-image.ts';
import type { Namespaces } from '../support/namespaces.ts';
import { ended } from '../support/run.ts';

/** Bytes `from` up to `until` of the largest blob that one answer gave. */
export interface Served {
  readonly from: number;
  readonly until: number;
}

/** A registry of one image whose largest blob comes up to the next of some offsets only. */
export interface CuttingRegistry extends AsyncDisposable {
  readonly reference: string;
  /** The answers so far, in order. */
  readonly served: readonly Served[];
}

/** How an answer ends at an offset: the connection closes, or stays open and brings nothing any more. */
export type Ending = 'close' | 'hold';

const program = `
const [folder, ending, ...offsets] = process.argv.slice(1);
const fs = require('node:fs');
const cuts = offsets.map(Number);
require('node:http').createServer((request, response) => {
  const name = request.url.split('/').at(-1).replace('sha256:', '');
  if (name === '') return response.end();
  const path = folder + '/' + name;
  if (!fs.existsSync(path)) return response.writeHead(404).end('{}');
  if (request.url.includes('/manifests/')) response.setHeader('content-type', '${mediaTypes.manifest}');
  const { size } = fs.statSync(path);
  const range = /^bytes=([0-9]+)-$/.exec(request.headers.range ?? '');
  const from = Number(range?.[1] ?? 0);
  const isLarge = size > 1e6;
  const until = (isLarge ? cuts.shift() : undefined) ?? size;
  if (range) response.setHeader('content-range', 'bytes ' + from + '-' + (size - 1) + '/' + size);
  response.writeHead(range ? 206 : 200, { 'content-length': size - from });
  const file = fs.createReadStream(path, { start: from, end: until - 1, highWaterMark: 262144 });
  file.on('data', (chunk) => {
    if (response.write(chunk)) return;
    file.pause();
    response.once('drain', () => file.resume());
  });
  file.once('end', () => {
    const end = () => {
      if (isLarge) console.log(from + ' ' + until);
      if (until === size) response.end();
      else if (ending === 'close') response.socket.end();
    };
    const flushed = () => (response.writableLength === 0 ? end() : setTimeout(flushed, 2));
    flushed();
  });
}).listen(5000, '127.0.0.1', () => console.log('ready'));
`;

/** Listens on the loopback interface of the engine's namespace. */
export async function startCuttingRegistry(
  namespaces: Namespaces,
  image: CraftedImage,
  ending: Ending,
  offsets: readonly number[],
): Promise<CuttingRegistry> {
  const folder = await mkdtemp(join(tmpdir(), 'gantry-cutting-'));
  const { manifest, blobs } = ociBlobs(image);
  for (const blob of [...blobs, manifest]) await writeFile(join(folder, sha256(blob)), blob);
  await writeFile(join(folder, 'cut'), manifest);
  const words = [process.execPath, '-e', program, folder, ending, ...offsets.map(String)];
  const [command, ...args] = namespaces.enter(words);
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const end = ended(child);
  const served: Served[] = [];
  const lines = createInterface(child.stdout);
  await once(lines, 'line');
  lines.on('line', (line) => {
    const [from = 0, until = 0] = line.split(' ').map(Number);
    served.push({ from, until });
  });
  return {
    reference: '127.0.0.1:5000/app:cut',
    served,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await end;
      await rm(folder, { recursive: true, force: true });
    },
  };
}
