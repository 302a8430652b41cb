import type { Exchange } from './fake-engine.ts';
import * as data from './_data.ts';

const json = ({ response }: Exchange, value: unknown, status = 200): void => {
  response.writeHead(status, { 'Content-Type': 'application/json' });
  response.end(`${typeof value === 'string' ? value : JSON.stringify(value)}\n`);
};
const fail = (exchange: Exchange, status: number, message: string): void => json(exchange, { message }, status);
const empty = ({ response }: Exchange): void => void response.writeHead(204).end();
const notFound = (exchange: Exchange, what: string, name: string): void =>
  fail(exchange, 404, `No such ${what}: ${name}`);

const lines = ({ response }: Exchange, values: readonly unknown[]): void => {
  response.writeHead(200, { 'Content-Type': 'application/json' });
  response.end(values.map((value) => `${typeof value === 'string' ? value : JSON.stringify(value)}\r\n`).join(''));
};

type Answer = (exchange: Exchange, name: string) => void;

/** Answers by method and path; `*` stands for a name, handed to the answer. */
const table: readonly [string, Answer][] = [
  ['GET /containers/json', (exchange) => json(exchange, data.containers)],
  ['POST /containers/create', create],
  ['GET /containers/*/json', named('container', (exchange, name) => json(exchange, data.container(name)))],
  ['GET /containers/*/logs', named('container', logs)],
  ['GET /containers/*/stats', named('container', (exchange, name) => json(exchange, data.stats(name)))],
  ['POST /containers/*/wait', named('container', wait)],
  ['GET /containers/*/top', named('container', (exchange) => json(exchange, data.top))],
  ['POST /containers/*/rename', named('container', rename)],
  [
    'POST /containers/*/update',
    named('container', (exchange, name) => json(exchange, { Warnings: name === 'warn' ? ['Be warned.'] : null })),
  ],
  ['POST /containers/prune', (exchange) => json(exchange, { ContainersDeleted: ['a', 'b'], SpaceReclaimed: 1234567 })],
  ['POST /containers/*/exec', named('container', (exchange) => json(exchange, { Id: 'e'.repeat(64) }, 201))],
  ['POST /containers/*/start', named('container', start)],
  ['POST /containers/*/*', named('container', empty)],
  ['DELETE /containers/*', named('container', empty)],
  ['POST /exec/*/start', empty],
  ['GET /exec/*/json', (exchange) => json(exchange, { ID: 'e', Running: false, ExitCode: 3, ProcessConfig: {} })],
  ['GET /images/json', images],
  ['POST /images/create', pull],
  ['POST /images/load', (exchange) => lines(exchange, data.loadProgress)],
  ['POST /images/*/push', push],
  ['GET /images/get', (exchange) => void exchange.response.end('an archive')],
  ['GET /images/*/history', named('image', (exchange) => json(exchange, data.history))],
  ['POST /images/*/tag', named('image', (exchange) => void exchange.response.writeHead(201).end())],
  ['GET /images/*/json', named('image', (exchange) => json(exchange, data.image))],
  ['DELETE /images/*', named('image', (exchange) => json(exchange, data.deleted))],
  ['GET /networks', (exchange) => json(exchange, data.networks)],
  ['GET /networks/*', named('network', (exchange) => json(exchange, data.networks[0]))],
  ['DELETE /networks/*', named('network', empty)],
  ['POST /networks/create', createNetwork],
  ['POST /networks/*/*', named('network', (exchange) => void exchange.response.writeHead(200).end())],
  ['GET /volumes', (exchange) => json(exchange, { Volumes: data.volumes, Warnings: null })],
  ['POST /volumes/create', (exchange) => json(exchange, { ...data.volumes[0], Name: 'made' }, 201)],
  ['GET /system/df', (exchange) => json(exchange, data.usage)],
  ['POST /networks/prune', (exchange) => json(exchange, { NetworksDeleted: ['net'] })],
  ['POST /images/prune', (exchange) => json(exchange, { ImagesDeleted: data.deleted, SpaceReclaimed: 77 })],
  ['POST /build/prune', (exchange) => json(exchange, { CachesDeleted: null, SpaceReclaimed: 0 })],
  ['POST /volumes/prune', (exchange) => json(exchange, { VolumesDeleted: ['a', 'b'], SpaceReclaimed: 1234567 })],
  ['GET /volumes/*', named('volume', (exchange) => json(exchange, data.volumes[0]))],
  ['DELETE /volumes/*', named('volume', empty)],
  ['GET /version', (exchange) => json(exchange, data.version)],
  ['GET /info', (exchange) => json(exchange, data.info)],
  ['GET /events', (exchange) => lines(exchange, data.events)],
];

function createNetwork(exchange: Exchange): void {
  const { Name } = exchange.seen.body as { Name: string };
  if (Name === 'taken') fail(exchange, 409, `network with name ${Name} already exists`);
  else json(exchange, { Id: `d${'a'.repeat(63)}`, Warning: '' }, 201);
}

/** Names with `missing` in them are not there. */
function named(what: string, answer: Answer): Answer {
  return (exchange, name) => (name.includes('missing') ? notFound(exchange, what, name) : answer(exchange, name));
}

function create(exchange: Exchange): void {
  const { Image, Tty } = exchange.seen.body as { Image: string; Tty: boolean };
  exchange.state.isTty = Tty;
  exchange.state.isPatient = Image === 'patient';
  if (Image.startsWith('missing')) return notFound(exchange, 'image', Image);
  // An image that is there only once it was pulled.
  if (Image.startsWith('absent') && !exchange.state.isPulled) return notFound(exchange, 'image', Image);
  const suffix = Image.includes('exit7')
    ? '7'.repeat(64)
    : Image.includes('nostart')
      ? `f${'a'.repeat(63)}`
      : 'c'.repeat(64);
  json(exchange, { Id: suffix, Warnings: Image.includes('warn') ? ['Be warned.'] : [] }, 201);
}

function rename(exchange: Exchange): void {
  if (exchange.seen.query['name']?.[0] !== 'taken') return empty(exchange);
  fail(exchange, 409, 'Error when allocating new name: Conflict.');
}

function start(exchange: Exchange, name: string): void {
  if (!name.startsWith('fa')) return empty(exchange);
  fail(exchange, 400, 'failed to create task for container: exec: "nope": executable file not found in $PATH: unknown');
}

/** The head of the answer comes at once, the exit code when the container's streams have ended. */
function wait({ response, state }: Exchange, name: string): void {
  response.writeHead(200, { 'Content-Type': 'application/json' });
  response.flushHeaders();
  const code = name.includes('7') ? 7 : 0;
  void state.ended.then(() => response.end(`${JSON.stringify({ StatusCode: code })}\n`));
}

function logs({ response }: Exchange): void {
  response.writeHead(200, { 'Content-Type': 'application/vnd.docker.multiplexed-stream' });
  for (const [stream, text] of [
    [1, 'one\n'],
    [2, 'two\n'],
    [1, 'three\n'],
  ] as const) {
    const header = Buffer.alloc(8);
    header[0] = stream;
    header.writeUInt32BE(text.length, 4);
    response.write(Buffer.concat([header, Buffer.from(text)]));
  }
  response.end();
}

function pull(exchange: Exchange): void {
  const { fromImage, fromSrc } = exchange.seen.query;
  if (fromSrc !== undefined) return lines(exchange, [{ status: `sha256:${'9'.repeat(64)}` }]);
  if (fromImage?.[0]?.includes('missing') === true) {
    return fail(exchange, 404, 'pull access denied for missing, repository does not exist or may require docker login');
  }
  if (fromImage?.[0]?.includes('broken') === true) {
    return lines(exchange, [{ status: 'Pulling' }, { errorDetail: { message: 'it broke' }, error: 'it broke' }]);
  }
  exchange.state.isPulled = true;
  lines(exchange, data.pullProgress);
}

function push(exchange: Exchange, name: string): void {
  if (name.includes('missing')) return fail(exchange, 404, `An image does not exist locally with the tag: ${name}`);
  lines(
    exchange,
    name.includes('broken') ? [{ errorDetail: { message: 'it broke' }, error: 'it broke' }] : data.pushProgress,
  );
}

/** A pattern that is the name of a command finds nothing. */
function images(exchange: Exchange): void {
  const isVerb = /"(ls|rm)"/.test(exchange.seen.query['filters']?.[0] ?? '');
  json(exchange, isVerb ? [] : data.images);
}

function match(pattern: string, actual: string): string | undefined {
  const [method = '', path = ''] = pattern.split(' ');
  const [actualMethod = '', actualPath = ''] = actual.split(' ');
  if (method !== actualMethod) return undefined;
  const parts = path.split('/');
  const actualParts = actualPath.split('/');
  // The name of an image may have slashes itself.
  const extra = actualParts.length - parts.length;
  if (extra < 0 || (extra > 0 && !path.startsWith('/images/*'))) return undefined;
  if (extra > 0) actualParts.splice(2, extra + 1, actualParts.slice(2, extra + 3).join('/'));
  return parts.every((part, at) => part === '*' || part === actualParts[at]) ? (actualParts[2] ?? '') : undefined;
}

/** Answers one request from the table. */
export async function answers(exchange: Exchange): Promise<void> {
  const actual = `${exchange.seen.method} ${exchange.seen.path}`;
  for (const [pattern, answer] of table) {
    const name = match(pattern, actual);
    if (name === undefined) continue;
    answer(exchange, name);
    return;
  }
  fail(exchange, 404, 'page not found');
}
