import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Namespaces } from '../support/namespaces.ts';
import { ended } from '../support/run.ts';

/** A registry that does its worst; the repository's name says what. */
export interface HostileRegistry extends AsyncDisposable {
  /** `127.0.0.1:5001` */
  readonly host: string;
  /** What it was asked for so far: `GET /v2/...`, with the authorization where there was one. */
  readonly asked: readonly string[];
}

export const hostilePort = 5001;

/**
 * `program` is a script for Node: an object with a function `(request, response, parts)` for each repository, in which
 * `parts` is [repository, 'manifests' or 'blobs' or 'tags', reference]; `base` serves `/v2/`. The functions below are there.
 */
export async function startHostileRegistry(namespaces: Namespaces, program: string): Promise<HostileRegistry> {
  const [command, ...args] = namespaces.enter([process.execPath, '-e', `${library}\nserve({${program}});`]);
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const end = ended(child);
  const asked: string[] = [];
  const lines = createInterface(child.stdout);
  await once(lines, 'line');
  lines.on('line', (line) => asked.push(line));
  return {
    host: `127.0.0.1:${hostilePort}`,
    asked,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await end;
    },
  };
}

/** Runs in the engine's network namespace. */
const library = `
const crypto = require('node:crypto');
const zlib = require('node:zlib');
const types = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  index: 'application/vnd.oci.image.index.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar+gzip',
};
const sha = (bytes) => 'sha256:' + crypto.createHash('sha256').update(bytes).digest('hex');
const json = (value) => Buffer.from(JSON.stringify(value));
const describe = (mediaType, bytes) => ({ mediaType, digest: sha(bytes), size: bytes.length });
/** A tar of one file, and two empty blocks. */
const tar = (name, body) => {
  const head = Buffer.alloc(512);
  head.write(name, 0);
  head.write('0000644\\0' + '0000000\\0'.repeat(2), 100);
  head.write(body.length.toString(8).padStart(11, '0') + '\\0' + '0'.repeat(11) + '\\0' + ' '.repeat(8) + '0', 124);
  head.write('ustar\\x0000', 257);
  head.write(head.reduce((sum, byte) => sum + byte, 0).toString(8).padStart(6, '0') + '\\0 ', 148);
  return Buffer.concat([head, body, Buffer.alloc((512 - (body.length % 512)) % 512 + 1024)]);
};
const image = (layers, { diffIds = layers.map(({ diffId }) => diffId), ...more } = {}) => {
  const architecture = { x64: 'amd64', arm64: 'arm64' }[process.arch];
  const config = json({ architecture, os: 'linux', config: {}, rootfs: { type: 'layers', diff_ids: diffIds } });
  const manifest = json({
    schemaVersion: 2, mediaType: types.manifest, config: describe(types.config, config),
    layers: layers.map(({ blob, type = types.layer, size }) => ({ ...describe(type, blob), ...(size === undefined ? {} : { size }) })),
    ...more,
  });
  return { config, manifest, blobs: new Map([[sha(config), config], ...layers.map(({ blob }) => [sha(blob), blob])]) };
};
const layer = (text) => {
  const plain = tar('file', Buffer.from(text));
  return { blob: zlib.gzipSync(plain), diffId: sha(plain) };
};
const send = (response, type, bytes) => response.writeHead(200, { 'content-type': type, 'content-length': bytes.length }).end(bytes);
/** Serves an image but for what handlers say: manifest and blob are given (request, response, reference). */
const of = (made, { manifest, blob } = {}) => (request, response, [, kind, reference]) => {
  if (kind === 'manifests') return manifest ? manifest(request, response, reference) : send(response, types.manifest, made.manifest);
  if (blob !== undefined && reference !== sha(made.config)) return blob(request, response, reference);
  const bytes = made.blobs.get(reference);
  return bytes === undefined ? response.writeHead(404).end('{}') : send(response, 'application/octet-stream', bytes);
};
const forever = (response, chunk) => {
  const more = () => { while (!response.destroyed && response.write(chunk)); };
  response.on('drain', more);
  response.on('error', () => undefined);
  more();
};
const serve = (repositories) => {
  const server = require('node:http').createServer((request, response) => {
    const { authorization = '' } = request.headers;
    console.log(request.method + ' ' + request.url + (authorization === '' ? '' : ' ' + authorization.slice(0, 80)));
    const [first, second, kind, ...reference] = request.url.split('?')[0].slice(1).split('/');
    const repository = first === 'v2' ? second : first;
    if (repository === '' && repositories.base === undefined) return response.end();
    const handler = repositories[repository || 'base'];
    if (handler === undefined) return response.writeHead(404).end('{}');
    handler(request, response, [repository, kind, reference.join('/')]);
  });
  server.on('connection', (socket) => socket.on('error', () => undefined));
  server.listen(${hostilePort}, () => console.log('ready'));
};
`;
