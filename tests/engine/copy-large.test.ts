/**
 * Archives that come in as large bodies: their connection is read past node:http. Memory stays bounded, and whatever a
 * client does with the framing, the engine answers it and others. `--long` copies 1 GiB.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { open, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { must } from '../support/run.ts';
import { engineSuite } from '../support/suite.ts';
import { tarOf } from '../support/tar.ts';
import { busybox, dockerOf } from './_docker.ts';

const sizeMiB = process.env['GANTRY_TEST_LONG'] === '1' ? 1024 : 192;
/** How much an engine may grow by at most while a file goes in or out. */
const growthMiB = 32;
const isOracle = process.env['GANTRY_TEST_ORACLE'] === 'dockerd';

const chunk = (bytes: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]);
const lastChunk = Buffer.from('0\r\n\r\n');

/** Pieces of `bytes`, as they are to be sent. */
function pieces(bytes: Buffer, size: number): Buffer[] {
  const count = Math.ceil(bytes.length / size);
  return Array.from({ length: count }, (_, at) => bytes.subarray(at * size, (at + 1) * size));
}

engineSuite('large archives', {}, (engine) => {
  const docker = dockerOf(engine);
  const sleeper = () => docker.ok('run', '-d', '--name', 'one', busybox, 'sleep', '1000');
  const inside = (script: string) => docker.ok('exec', 'one', 'sh', '-c', script);

  /** Sends a request's head and the pieces of its body, each by itself; gives the whole answer, once the engine ends it. */
  async function put(headers: string, body: readonly Buffer[], { to = 'one', path = '/', breaks = false } = {}) {
    const socket = connect({ path: engine().paths.socket, allowHalfOpen: true });
    await once(socket, 'connect');
    let answer = '';
    socket.on('data', (bytes: Buffer) => (answer += bytes.toString()));
    socket.on('error', () => undefined);
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    const answered = new Promise<void>((resolve) => socket.once('data', () => resolve()));
    socket.write(`PUT /v1.44/containers/${to}/archive?path=${path} HTTP/1.1\r\nHost: x\r\n${headers}\r\n\r\n`);
    for (const piece of body) await new Promise((resolve) => socket.write(piece, resolve));
    if (breaks) socket.destroy();
    else await Promise.race([answered, closed]);
    socket.end();
    await closed;
    return answer;
  }

  /** The most memory that the engine had while `work` ran, above what it had before, in MiB. */
  async function growthWhile(work: () => Promise<unknown>): Promise<number> {
    const read = async (field: string): Promise<number> => {
      const text = await readFile(`/proc/${engine().pid}/status`, 'utf8');
      return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(text)?.[1]) / 1024;
    };
    const before = await read('VmRSS');
    // The peak begins anew (proc(5)).
    await writeFile(`/proc/${engine().pid}/clear_refs`, '5');
    await work();
    return (await read('VmHWM')) - before;
  }

  test('a large file comes in and goes out whole, and takes no memory', {
    skip: isOracle,
    timeout: 300_000,
  }, async () => {
    await sleeper();
    const [source, target] = [join(engine().folder, 'large'), join(engine().folder, 'back')];
    const file = await open(source, 'w');
    for (let at = 0; at < sizeMiB; at++) await file.write(Buffer.alloc(1 << 20, at + 1));
    await file.close();
    try {
      // The first copies start threads, which stay for a while.
      await docker.ok('cp', '-q', join(engine().folder, 'large'), 'one:/large');
      const into = await growthWhile(() => docker.ok('cp', '-q', source, 'one:/large'));
      const out = await growthWhile(() => docker.ok('cp', '-q', 'one:/large', target));
      await must('cmp', [source, target]);
      assert.ok(into < growthMiB, `grew by ${into.toFixed(1)} MiB on the way in`);
      assert.ok(out < growthMiB, `grew by ${out.toFixed(1)} MiB on the way out`);
    } finally {
      for (const path of [source, target]) await rm(path, { force: true });
    }
  });

  test('bodies of both framings arrive, in whatever portions, plain and compressed', async () => {
    await sleeper();
    const body = Buffer.alloc(1_500_000, 'gantry');
    const archive = tarOf([
      { name: 'file', body },
      { name: 'last', body: 'last\n' },
    ]);
    const packed = gzipSync(archive);
    const chunked = 'Transfer-Encoding: chunked';
    const ways: [string, string, readonly Buffer[]][] = [
      ['one piece', `Content-Length: ${archive.length}`, [archive]],
      ['many pieces', `Content-Length: ${archive.length}`, pieces(archive, 40_001)],
      ['small', `Content-Length: ${packed.length}`, [packed]],
      ['chunks', chunked, [...pieces(archive, 32_768).map(chunk), lastChunk]],
      ['cut chunks', chunked, pieces(Buffer.concat([...pieces(archive, 9999).map(chunk), lastChunk]), 7777)],
      [
        'bytes at first',
        chunked,
        [...pieces(archive.subarray(0, 9), 1), archive.subarray(9)].map(chunk).concat(lastChunk),
      ],
      ['gzip', chunked, [...pieces(packed, 3).slice(0, 5), packed.subarray(15)].map(chunk).concat(lastChunk)],
      ['a trailer', chunked, [chunk(archive), Buffer.from('0\r\nX: y\r\n\r\n')]],
    ];
    for (const [what, headers, sent] of ways) {
      // One that keeps its connection would wait for the next request.
      assert.match(await put(`${headers}\r\nConnection: close`, sent), /^HTTP\/1\.1 200 OK\r\n/, what);
      assert.equal(await inside('wc -c < /file; cat /last; rm /file /last'), '1500000\nlast', what);
    }
  });

  test('wrong bodies, and clients that go away, are the end of nothing', { skip: isOracle }, async () => {
    await sleeper();
    const archive = tarOf([{ name: 'file', body: Buffer.alloc(3_000_000, 'x') }]);
    const chunked = 'Transfer-Encoding: chunked';
    const half = archive.subarray(0, 1_000_000);
    assert.match(await put(chunked, [Buffer.from('zz\r\n')]), /^HTTP\/1\.1 400 [^]*malformed request body/);
    assert.match(
      await put(chunked, [chunk(half), Buffer.from('-1\r\n')]),
      /^HTTP\/1\.1 400 [^]*malformed request body/,
    );
    assert.match(await put(chunked, [chunk(half), lastChunk]), /^HTTP\/1\.1 [45]00 [^]*ends in the middle/);
    assert.match(await put(chunked, [chunk(archive), lastChunk], { to: 'nobody' }), /^HTTP\/1\.1 404 /);
    assert.match(await put(chunked, [chunk(archive), lastChunk], { path: '/missing' }), /^HTTP\/1\.1 404 /);
    const both = `${chunked}\r\nContent-Length: ${archive.length}`;
    assert.match(await put(both, [chunk(archive), lastChunk]), /^HTTP\/1\.1 400 /);
    // In the middle of a chunk, of a size, before the first byte, and of a declared length.
    await put(chunked, [chunk(half).subarray(0, 500_000)], { breaks: true });
    await put(chunked, [chunk(half), Buffer.from('4')], { breaks: true });
    await put(chunked, [], { breaks: true });
    await put(`Content-Length: ${archive.length}`, [half], { breaks: true });
    assert.match(await put(chunked, [chunk(archive), lastChunk]), /^HTTP\/1\.1 200 /);
    assert.equal(await inside('wc -c < /file'), '3000000');
  });
});
