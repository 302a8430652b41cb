import assert from 'node:assert/strict';
import { once } from 'node:events';
import { stat, writeFile } from 'node:fs/promises';
import http from 'node:http';
import net from 'node:net';
import test from 'node:test';
import { invalid } from '../base/errors.ts';
import { silentLogger } from '../base/log.ts';
import { FakeContainer, fakeEvents, fakeServices, RawClient, serve } from './_fakes.ts';
import { createApiServer } from './server.ts';
import type { ApiServices } from './services.ts';

interface Answer {
  status: number;
  headers: http.IncomingHttpHeaders;
  body: string;
}

async function ask(path: string, method: string, url: string, body?: string, headers = {}): Promise<Answer> {
  const type = body === undefined ? {} : { 'Content-Type': 'application/json' };
  const request = http.request({ socketPath: path, method, path: url, headers: { ...type, ...headers } });
  request.end(body);
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  // An answer may come before a large request was sent, and the server may go before that was read.
  request.on('error', () => undefined);
  const chunks = await response.toArray();
  return { status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks).toString() };
}

const message = (answer: Answer): [number, string] => [
  answer.status,
  (JSON.parse(answer.body) as { message: string }).message,
];

test('ping tells versions and platform, with and without a body', async (t) => {
  const { path } = await serve(t, fakeServices(new FakeContainer()));
  for (const url of ['/_ping', '/v1.24/_ping', '/v1.55/_ping']) {
    const answer = await ask(path, 'GET', url);
    assert.equal(answer.status, 200);
    assert.equal(answer.body, 'OK');
    assert.equal(answer.headers['api-version'], '1.55');
    assert.equal(answer.headers['ostype'], 'linux');
    assert.equal(answer.headers['docker-experimental'], 'false');
    assert.match(String(answer.headers['server']), /^Gantry\/0.0 \(linux\)$/);
  }
  const head = await ask(path, 'HEAD', '/_ping');
  assert.deepEqual([head.status, head.body, head.headers['builder-version']], [200, '', '2']);
});

test('versions that are not spoken, unknown paths, broken escapes and missing operations are told apart', async (t) => {
  const { path } = await serve(t, fakeServices(new FakeContainer()));
  const get = async (url: string) => message(await ask(path, 'GET', url));
  assert.deepEqual(await get('/v1.99/info'), [
    400,
    'client version 1.99 is too new. Maximum supported API version is 1.55',
  ]);
  assert.deepEqual(await get('/v1.23/info'), [
    400,
    'client version 1.23 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version',
  ]);
  assert.deepEqual(await get('/v2.0/info'), [
    400,
    'client version 2.0 is too new. Maximum supported API version is 1.55',
  ]);
  assert.deepEqual(await get('/nothing/here'), [404, 'page not found']);
  assert.deepEqual(await get('/v1.44'), [404, 'page not found']);
  assert.deepEqual(await get('//containers/json'), [404, 'page not found']);
  assert.deepEqual((await get('/containers/%zz/json'))[0], 400);
  assert.deepEqual((await get('/containers/a%00b/json'))[0], 400);
  assert.deepEqual((await get('/containers/json?filters=%zz'))[0], 400);
  assert.deepEqual(await get('/containers/nope/json'), [404, 'No such container: nope']);
  assert.deepEqual(await get('/swarm'), [501, 'SwarmInspect is not implemented by this engine yet']);
  assert.deepEqual(message(await ask(path, 'POST', '/grpc')), [400, 'no upgrade proto in request']);
  assert.equal((await ask(path, 'OPTIONS', '/containers/json')).status, 200);
});

test('a body of the wrong type, size or kind is refused by name', async (t) => {
  const { path } = await serve(t, fakeServices(new FakeContainer()));
  const create = async (body: string, headers = {}) =>
    message(await ask(path, 'POST', '/containers/create', body, headers));
  assert.deepEqual(await create('{"HostConfig":{"Memory":"512m"}}'), [
    400,
    'invalid JSON: cannot unmarshal string into field HostConfig.Memory of type int64',
  ]);
  assert.deepEqual(await create(''), [400, 'invalid JSON: got EOF while reading request body']);
  assert.deepEqual((await create('{"Image":'))[0], 400);
  assert.deepEqual(await create('{}', { 'Content-Type': 'text/plain' }), [
    400,
    "unsupported Content-Type header (text/plain): must be 'application/json'",
  ]);
  const large = message(await ask(path, 'POST', '/containers/create', `"${'x'.repeat(5 * 1024 * 1024)}"`));
  assert.deepEqual(large, [400, 'the request body is larger than the allowed 4194304 bytes']);
});

test('statuses: 201 with the id, 204, 304, and 500 with a line in the log', async (t) => {
  const container = new FakeContainer();
  const { path, logged } = await serve(t, fakeServices(container));
  const created = await ask(path, 'POST', '/v1.44/containers/create?name=web', '{"Image":"busybox"}');
  assert.deepEqual([created.status, JSON.parse(created.body)], [201, { Id: container.id, Warnings: [] }]);
  assert.equal(container.request?.name, 'web');
  assert.equal((await ask(path, 'POST', '/containers/web/kill?signal=HUP')).status, 204);
  const stopped = await ask(path, 'POST', '/containers/web/stop?t=3&signal=SIGINT');
  assert.deepEqual([stopped.status, stopped.body], [304, '']);
  await ask(path, 'POST', '/v1.41/containers/web/stop?t=-9&signal=SIGINT');
  assert.deepEqual(container.calls, [
    'kill HUP',
    'stop {"timeoutSeconds":3,"signal":"SIGINT"}',
    'stop {"timeoutSeconds":-1}',
  ]);
  assert.equal(logged.length, 0);
  assert.deepEqual(message(await ask(path, 'GET', '/info')), [500, 'the test has no answer for info']);
  assert.equal(logged.length, 1);
});

test('names of images may have slashes', async (t) => {
  const seen: string[] = [];
  const images = {
    history: (name: string) => {
      seen.push(name);
      return Promise.resolve([]);
    },
  } as unknown as ApiServices['images'];
  const { path } = await serve(t, fakeServices(new FakeContainer(), { images }));
  await ask(path, 'GET', '/v1.50/images/localhost:5000/team/app:v1/history');
  await ask(path, 'GET', '/images/a%2Fb/history');
  assert.deepEqual(seen, ['localhost:5000/team/app:v1', 'a/b']);
});

test('what is no HTTP is answered once and closed; a large header is 431', async (t) => {
  const { path } = await serve(t, fakeServices(new FakeContainer()));
  const garbage = new RawClient(path).send('\x16\x03\x01 nonsense\r\n\r\n');
  await garbage.ended;
  assert.match(garbage.text, /^HTTP\/1.1 400 Bad Request\r\n/);
  const large = new RawClient(path).request('GET', '/_ping', [`X-Large: ${'y'.repeat(70_000)}`]);
  await large.ended;
  assert.match(large.text, /^HTTP\/1.1 431 /);
  const smuggled = new RawClient(path).send(
    'POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  );
  await smuggled.ended;
  assert.match(smuggled.text, /^HTTP\/1.1 400 /);
});

test('a refused client that reads only after it has sent everything still gets its answer', async (t) => {
  const { path } = await serve(t, fakeServices(new FakeContainer()));
  const socket = net.connect({ path, allowHalfOpen: true });
  const errors: Error[] = [];
  socket.on('error', (error) => errors.push(error));
  const send = (bytes: string | Buffer) => new Promise((sent) => socket.write(bytes, sent));
  const lengths = 'Transfer-Encoding: chunked\r\nContent-Length: 4000000';
  await send(`PUT /containers/x/archive?path=/ HTTP/1.1\r\nHost: engine\r\n${lengths}\r\n\r\n`);
  for (let piece = 0; piece < 40; piece++) await send(Buffer.alloc(100_000));
  assert.deepEqual(errors, []);
  const pieces: Buffer[] = [];
  socket.on('data', (piece: Buffer) => pieces.push(piece));
  await once(socket, 'end');
  const answer = Buffer.concat(pieces).toString();
  assert.match(answer, /^HTTP\/1\.1 400 Bad Request\r\n[^]*"malformed HTTP request: /);
  assert.equal(answer.split('HTTP/1.1').length, 2, 'one answer');
  socket.end();
  await once(socket, 'close');
  assert.deepEqual(errors, []);
});

test('what a refused client sends is not read without end', async (t) => {
  const { path } = await serve(t, fakeServices(new FakeContainer()));
  const socket = net.connect({ path });
  const gone = once(socket, 'error');
  socket.write('no HTTP\r\n\r\n');
  const piece = Buffer.alloc(1 << 20);
  const write = (): void => void socket.write(piece, (error) => error ?? write());
  write();
  assert.match(String(await gone), /EPIPE|ECONNRESET/);
});

test('a bad request after a good one on the same connection is answered, too', async (t) => {
  const { path } = await serve(t, fakeServices(new FakeContainer()));
  const client = new RawClient(path);
  client.request('GET', '/_ping');
  await client.expect('OK');
  client.send('no HTTP\r\n\r\n');
  await client.expect('malformed HTTP request');
  await client.ended;
});

test('the head of a wait comes as soon as it holds, and its client may leave', async (t) => {
  const container = new FakeContainer();
  const { path } = await serve(t, fakeServices(container));
  const client = new RawClient(path).request('POST', '/v1.44/containers/web/wait?condition=next-exit');
  await client.expect('\r\n\r\n');
  assert.match(client.text, /^HTTP\/1.1 200 OK\r\n/);
  const leaving = new RawClient(path).request('POST', '/containers/web/wait');
  await leaving.expect('\r\n\r\n');
  leaving.socket.destroy();
  container.finish(3);
  await client.expect('{"StatusCode":3}');
  assert.deepEqual(container.calls, ['wait next-exit', 'wait not-running']);
  assert.equal((await ask(path, 'POST', '/containers/web/wait?condition=soon')).status, 400);
});

test('events are one JSON object a line, with all digits of their time', async (t) => {
  const one = { type: 'container', action: 'start', actorId: 'c1', attributes: { image: 'busybox' } } as const;
  const events = { subscribe: () => fakeEvents([{ ...one, seq: 5, timeNs: 1_700_000_000_123_456_789n }]) };
  const { path } = await serve(t, fakeServices(new FakeContainer(), { events }));
  const old = (await ask(path, 'GET', '/v1.44/events')).body;
  assert.match(old, /^\{"status":"start","id":"c1","from":"busybox","Type":"container".*\}\n$/);
  assert.match(old, /"time":1700000000,"timeNano":1700000000123456789,"Gantry":\{"Seq":5\}/);
  assert.doesNotMatch((await ask(path, 'GET', '/v1.52/events')).body, /"status"/);
  assert.equal((await ask(path, 'GET', '/events?since=20&until=10')).status, 400);
  const typeOf = async (version: string, accept?: string) => {
    const answer = await ask(path, 'GET', `${version}/events`, undefined, accept === undefined ? {} : { accept });
    return [answer.headers['content-type'], answer.body.charCodeAt(0)];
  };
  assert.deepEqual(await typeOf('/v1.51'), ['application/json', 0x7b]);
  assert.deepEqual(await typeOf('/v1.52'), ['application/jsonl', 0x7b]);
  assert.deepEqual(await typeOf('/v1.52', 'application/json-seq'), ['application/json-seq', 0x1e]);
  assert.deepEqual(await typeOf('/v1.44', 'application/x-ndjson'), ['application/x-ndjson', 0x7b]);
});

test('progress: an error before the first message is a status, after it the last message', async (t) => {
  let messages = 0;
  const images = {
    pull: async ({ reference, progress }: Parameters<ApiServices['images']['pull']>[0]) => {
      for (let index = 0; index < messages; index++) progress({ status: `Pulling ${reference}`, id: String(index) });
      throw new Error('no such registry');
    },
  } as unknown as ApiServices['images'];
  const { path } = await serve(t, fakeServices(new FakeContainer(), { images }));
  const early = await ask(path, 'POST', '/images/create?fromImage=busybox&tag=1');
  assert.deepEqual(message(early), [500, 'no such registry']);
  messages = 2;
  const late = await ask(path, 'POST', '/images/create?fromImage=busybox&tag=1');
  assert.equal(late.status, 200);
  assert.deepEqual(
    late.body
      .trim()
      .split('\r\n')
      .map((line) => JSON.parse(line) as unknown),
    [
      { status: 'Pulling busybox', id: '0' },
      { status: 'Pulling busybox', id: '1' },
      { errorDetail: { message: 'no such registry' }, error: 'no such registry' },
    ],
  );
});

test('a body that is given up in the middle ends the connection, after the answer', async (t) => {
  const load: ApiServices['images']['load'] = async ({ body }) => {
    for await (const chunk of body) throw invalid(`${chunk.length} bytes of nonsense`);
  };
  const images = { load } as ApiServices['images'];
  const { path } = await serve(t, fakeServices(new FakeContainer(), { images }));
  const client = new RawClient(path).send(
    'POST /images/load HTTP/1.1\r\nHost: engine\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nstrang\r\n',
  );
  await client.expect('6 bytes of nonsense');
  client.send(`${(200_000).toString(16)}\r\n${'x'.repeat(200_000)}\r\n`);
  await client.ended;
});

test('logs: frames or raw, times with nine digits, tail, and no stream is an error', async (t) => {
  const container = new FakeContainer();
  const time = '1970-01-01T00:00:00.000001000Z';
  const entry = (stream: 1 | 2, text: string) => ({ stream, time, bytes: Buffer.from(text) });
  container.logEntries = [entry(1, 'out\n'), entry(2, 'err\n')];
  const { path } = await serve(t, fakeServices(container));
  const framed = await ask(path, 'GET', '/v1.44/containers/web/logs?stdout=1&stderr=1&tail=5');
  assert.equal(framed.headers['content-type'], 'application/vnd.docker.multiplexed-stream');
  assert.equal(framed.body, '\x01\0\0\0\0\0\0\x04out\n\x02\0\0\0\0\0\0\x04err\n');
  const old = await ask(path, 'GET', '/v1.41/containers/web/logs?stdout=1&tail=all&since=1.5&follow=1');
  assert.equal(old.headers['content-type'], 'application/vnd.docker.raw-stream');
  container.tty = true;
  const raw = await ask(path, 'GET', '/containers/web/logs?stdout=1&timestamps=1');
  assert.equal(raw.body, '1970-01-01T00:00:00.000001000Z out\n1970-01-01T00:00:00.000001000Z err\n');
  const details = await ask(path, 'GET', '/containers/web/logs?stdout=1&timestamps=1&details=1');
  assert.equal(details.body, `${time} a=b+c out\n${time} a=b+c err\n`);
  assert.deepEqual(container.calls, [
    'logs 5 false undefined',
    'logs undefined true 1500000000',
    'logs undefined false undefined',
    'logs undefined false undefined',
  ]);
  assert.equal((await ask(path, 'DELETE', '/containers/web/logs')).status, 204);
  assert.equal((await ask(path, 'GET', '/containers/web/logs')).status, 400);
});

test('logs: docker gets the lines of a stream in one frame, as far as 32 KiB go', async (t) => {
  const container = new FakeContainer();
  const time = '1970-01-01T00:00:00.000001000Z';
  const out = Array.from({ length: 3000 }, (_, at) => `line ${at} ${'x'.repeat(at % 50)}\n`);
  const texts: [1 | 2, string][] = [
    ...out.map((text): [1, string] => [1, text]),
    [2, 'err\n'],
    [1, 'y'.repeat(70_000)],
    [1, 'z\n'],
    [1, 'last\n'],
  ];
  container.logEntries = texts.map(([stream, text]) => ({ stream, time, bytes: Buffer.from(text) }));
  const { path } = await serve(t, fakeServices(container));
  const url = '/containers/web/logs?stdout=1&stderr=1';
  const framesFor = async (agent: string, more = '') => {
    const request = http.get({ socketPath: path, path: `${url}${more}`, headers: { 'User-Agent': agent } });
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    const bytes = Buffer.concat(await response.toArray());
    const frames: [number, string][] = [];
    for (let at = 0; at < bytes.length; ) {
      const length = bytes.readUInt32BE(at + 4);
      frames.push([bytes[at] ?? 0, bytes.toString('utf8', at + 8, at + 8 + length)]);
      at += 8 + length;
    }
    return frames;
  };
  // Gantry's own command line sorts lines by the time that each frame begins with.
  for (const agent of ['docker-sdk-python/7.1.0', 'Gantry-Client (linux)'])
    assert.deepEqual(await framesFor(agent), texts, agent);
  for (const agent of ['Docker-Client/28.2.2 (linux)', 'Docker-Client/unknown-version (linux)']) {
    const frames = await framesFor(agent);
    const textOf = (stream: number) => frames.flatMap(([from, text]) => (from === stream ? [text] : [])).join('');
    assert.equal(textOf(1), texts.flatMap(([stream, text]) => (stream === 1 ? [text] : [])).join(''));
    assert.equal(textOf(2), 'err\n');
    assert.ok(frames.length < 10, `${frames.length} frames`);
    assert.deepEqual(
      frames.slice(-3).map(([stream, text]) => [stream, text.length]),
      [
        [2, 4],
        [1, 70_000],
        [1, 7],
      ],
    );
    assert.ok(frames.every(([, { length }]) => length <= 32_768 || length === 70_000));
    const [first] = await framesFor(agent, '&timestamps=1&details=1');
    assert.ok(first?.[1].startsWith(`${time} a=b+c line 0 \n${time} a=b+c line 1 x\n`));
  }
});

test('stats stream by default; a single view says so', async (t) => {
  const container = new FakeContainer();
  const { path } = await serve(t, fakeServices(container));
  assert.equal((await ask(path, 'GET', '/containers/web/stats')).body, '{"id":"c","name":"/web"}\n');
  await ask(path, 'GET', '/containers/web/stats?stream=0&one-shot=1');
  await ask(path, 'GET', '/v1.40/containers/web/stats?stream=false&one-shot=1');
  assert.deepEqual(container.calls, ['stats true false', 'stats false true', 'stats false false']);
  assert.equal((await ask(path, 'GET', '/containers/web/stats?stream=1&one-shot=1')).status, 400);
});

test('the socket has its mode from the start; a stale one is replaced, a served one and a file are not', async (t) => {
  const services = fakeServices(new FakeContainer());
  const { path } = await serve(t, services);
  assert.equal((await stat(path)).mode & 0o777, 0o660);
  const second = createApiServer(services, { log: silentLogger, version: '0.0' });
  await assert.rejects(second.listen(path), /another process serves it/);
  await writeFile(`${path}.file`, '');
  await assert.rejects(second.listen(`${path}.file`), /no socket/);
  await assert.rejects(second.listen(`/tmp/${'long'.repeat(40)}`), /too long/);
});
