import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Latch } from '../base/async.ts';
import { newContainerId } from '../base/ids.ts';
import { silentLogger } from '../base/log.ts';
import type { LoggedContainer, LogReadOptions } from '../spec/contract/logs.ts';
import { Batch } from './batch.ts';
import { parseTime } from './line.ts';
import { openContainerLogs } from './open.ts';
import { rotateLog } from './rotate.ts';

const base = mkdtempSync(join(tmpdir(), 'logs-'));
after(() => rmSync(base, { recursive: true, force: true }));
const logs = openContainerLogs({ log: silentLogger });
const over = Promise.resolve();
const all: LogReadOptions = { follow: false, stdout: true, stderr: true };
const container: Omit<LoggedContainer, 'id'> = {
  name: 'web',
  imageId: 'sha256:1',
  imageName: 'busybox',
  createdNs: 0n,
  entrypoint: '',
  args: [],
  env: [],
  labels: {},
};
const aid = { held: false, log: silentLogger };
let count = 0;
const newLog = (): string => join(mkdtempSync(join(base, `${count++}-`)), 'container.log');

/** A line as conmon writes it, `second` seconds after the start of 2026. */
const line = (text: string, tag = 'F', stream = 'stdout', second = 0): string =>
  `2026-01-01T00:00:${String(second).padStart(2, '0')}.000000001+00:00 ${stream} ${tag} ${text}\n`;

async function read(path: string, options: Partial<LogReadOptions> = {}): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const { count, block, starts, ends } of logs.read(path, { ...all, ...options }, over)) {
    for (let at = 0; at < count; at++) parts.push(Buffer.from(block.subarray(starts[at], ends[at])));
  }
  return Buffer.concat(parts).toString('latin1');
}

test('times have nanoseconds, a zone and any number of decimals', () => {
  assert.equal(parseTime('2026-11-23T02:18:20.263048793+00:00'), 1795400300263048793n);
  assert.equal(parseTime('2026-11-23T04:18:20.263048793+02:00'), 1795400300263048793n);
  assert.equal(parseTime('2026-11-23T02:18:20Z'), 1795400300000000000n);
  assert.equal(parseTime('2026-11-23T02:18:20.5Z'), 1795400300500000000n);
  assert.equal(parseTime('yesterday'), undefined);
});

test('bytes come out as they went in, parts without a newline, damaged lines not at all', () => {
  const raw = Buffer.concat([
    Buffer.from(line('abc', 'P') + line('')),
    Buffer.from('2026-01-01T00:00:00.000000001+00:00 stderr F '),
    Buffer.from([0, 0xff, 0x1b, 0x0d, 0x0a]),
    Buffer.from(
      '\0\0\0\nnonsense\n2026-01-01T00:00:00Z stdout X x\n2026-01-01T00:00:00Z stdout\n2026-01-01T00:00:00Z stdout F\n',
    ),
  ]);
  const batch = new Batch(raw);
  batch.scan(raw.length);
  const { count, block, starts, ends, kinds } = batch;
  const entries = Array.from({ length: count }, (_, at) => [kinds[at], block.toString('hex', starts[at], ends[at])]);
  assert.deepEqual(entries, [
    [5, '616263'],
    [1, '0a'],
    [2, '00ff1b0d0a'],
    [1, '0a'],
  ]);
  const time = Buffer.alloc(40);
  assert.equal(time.toString('latin1', 0, batch.copyTime(0, time, 0)), '2026-01-01T00:00:00.000000001Z');
  assert.equal(time.toString('latin1', 0, batch.copyTime(3, time, 0)), '2026-01-01T00:00:00.000000000Z');
});

test('streams, since, until and tail choose', async () => {
  const path = newLog();
  let text = '';
  for (let second = 0; second < 10; second++)
    text += line(`${second}`, 'F', second % 2 === 0 ? 'stdout' : 'stderr', second);
  writeFileSync(path, text);
  assert.equal(await read(path, { stdout: false }), '1\n3\n5\n7\n9\n');
  const second = (n: number) => parseTime(`2026-01-01T00:00:0${n}.000000001Z`) ?? 0n;
  assert.equal(await read(path, { sinceNs: second(3), untilNs: second(5) }), '3\n4\n5\n');
  assert.equal(await read(path, { tail: 3 }), '7\n8\n9\n');
  assert.equal(await read(path, { tail: 0 }), '');
  assert.equal(await read(path, { tail: 100 }), '0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n');
  assert.equal(await read(join(base, 'nowhere/log')), '');
});

test('without following, what is written during the reading is not read', async () => {
  const path = newLog();
  const many = 20_000;
  writeFileSync(path, Array.from({ length: many }, (_, at) => line(String(at))).join(''));
  let read = 0;
  for await (const { count: entries } of logs.read(path, all, over)) {
    if (read === 0) appendFileSync(path, line('late').repeat(many));
    read += entries;
  }
  assert.equal(read, many);
});

test('tail counts lines of the container over parts, rotated files and blocks', async () => {
  const path = newLog();
  const part = 'x'.repeat(8000);
  let long = '';
  for (let number = 0; number < 20; number++) long += line(part, 'P') + line(part, 'P') + line(`end ${number}`);
  writeFileSync(`${path}.2`, line('oldest'));
  writeFileSync(`${path}.1`, long);
  writeFileSync(path, line('last') + line('open', 'P') + line('end', 'P') + '2026-01-01T00:00:00Z stdout F torn');
  const whole = await read(path);
  for (const [tail, start] of [
    [1, whole.indexOf('openend')],
    [2, whole.indexOf('last')],
    [3, whole.indexOf(`end 18\n`) + 7],
    [19, whole.indexOf(`end 2\n`) + 6],
    [22, whole.indexOf('oldest') + 7],
    [23, 0],
    [24, 0],
  ] as const) {
    assert.equal(await read(path, { tail }), whole.slice(start), `tail ${tail}`);
  }
  assert.ok(whole.endsWith('last\nopenend'));
});

test('a follower gets every line once over rotations, and ends with the container', async () => {
  const path = newLog();
  const ended = new Latch();
  writeFileSync(path, line('0'));
  const got: string[] = [];
  const following = (async () => {
    for await (const { count: entries, block, starts, ends } of logs.read(
      path,
      { ...all, follow: true },
      ended.wait(),
    )) {
      for (let at = 0; at < entries; at++) got.push(block.toString('latin1', starts[at], ends[at]).trim());
    }
  })();
  const wanted = ['0'];
  let rotations = 0;
  for (let number = 1; number <= 400; number++) {
    wanted.push(String(number));
    if (number % 40 === 4) {
      for (let old = rotations; old >= 1; old--) renameSync(`${path}.${old}`, `${path}.${old + 1}`);
      renameSync(path, `${path}.1`);
      rotations++;
      // Between the renaming and the new file the monitor writes to the old one.
      appendFileSync(`${path}.1`, line(String(number)));
    } else appendFileSync(path, line(String(number)));
    if (number % 7 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  ended.set();
  await following;
  assert.deepEqual(got, wanted);
});

test('a follower that waits is woken by a line, by the end, and by its signal', async () => {
  const path = newLog();
  writeFileSync(path, '');
  const stop = new AbortController();
  const iterator = logs
    .read(path, { ...all, follow: true, signal: stop.signal }, new Promise(() => undefined))
    [Symbol.asyncIterator]();
  const first = iterator.next();
  setImmediate(() => appendFileSync(path, line('woken')));
  const { value } = (await first) as { value: Batch };
  assert.equal(value.block.toString('latin1', value.starts[0], value.ends[0]), 'woken\n');
  const second = iterator.next();
  setImmediate(() => stop.abort());
  assert.equal((await second).done, true);
});

test('rotation keeps so many files and loses nothing of them', async () => {
  const path = newLog();
  for (let number = 0; number < 5; number++) {
    writeFileSync(path, line(`file ${number}`));
    await rotateLog(path, 3, { ...aid, reopen: async () => writeFileSync(path, '') });
  }
  assert.equal(await read(path), 'file 3\nfile 4\n');
  writeFileSync(path, line('kept'));
  await assert.rejects(rotateLog(path, 3, { ...aid, reopen: () => Promise.reject(new Error('no monitor')) }));
  assert.match(await read(path), /kept\n$/);
});

test('a log is rotated when it grows too large', async () => {
  const path = newLog();
  const id = newContainerId();
  const rotated = new Latch();
  writeFileSync(path, line('a'));
  const reopen = async () => {
    writeFileSync(path, line('b'));
    rotated.set();
  };
  logs.begin({
    container: { ...container, id },
    logPath: path,
    settings: { driver: 'json-file', options: { 'max-size': '60', 'max-file': '2' } },
    reopen,
  });
  appendFileSync(path, line('a'));
  await rotated.wait();
  logs.end(id);
  assert.equal(await read(path), 'a\na\nb\n');
  await logs.close();
});

test('behind a file that was full an entry says so, once, to readers of its end', async () => {
  const path = newLog();
  // The monitor was stopped in the middle of a record.
  const full = line('a') + line('b', 'F', 'stdout', 7) + line('cut off').slice(0, 50);
  writeFileSync(path, full);
  const guarded = { guardBytes: full.length };
  const notice = '[the log reached its size limit while the engine was away: lines were lost here]\n';
  assert.equal(await read(path, guarded), `a\nb\n${notice}`);
  assert.equal(await read(path, { ...guarded, tail: 0 }), '');
  assert.equal(await read(path, { ...guarded, stderr: false }), 'a\nb\n');
  assert.equal(await read(path, { guardBytes: full.length + 1 }), 'a\nb\n');
  renameSync(path, `${path}.1`);
  writeFileSync(path, line('d'));
  assert.equal(await read(path, guarded), `a\nb\n${notice}d\n`);
  assert.equal(await read(path, { ...guarded, tail: 1 }), 'd\n');
  assert.equal(await read(path, { ...guarded, sinceNs: parseTime('2026-01-01T00:00:05Z') ?? 0n }), `b\n${notice}`);
});

test('clearing throws away what was, with and without a monitor; a follower goes on', async () => {
  const path = newLog();
  writeFileSync(`${path}.1`, line('older'));
  writeFileSync(path, line('old'));
  const ended = new Latch();
  const got: string[] = [];
  const following = (async () => {
    for await (const { count: entries, block, starts, ends } of logs.read(
      path,
      { ...all, follow: true },
      ended.wait(),
    )) {
      for (let at = 0; at < entries; at++) got.push(block.toString('latin1', starts[at], ends[at]).trim());
    }
  })();
  while (got.length < 2) await new Promise((resolve) => setImmediate(resolve));
  await logs.clear(path, async () => writeFileSync(path, line('new')));
  assert.equal(await read(path), 'new\n');
  ended.set();
  await following;
  assert.deepEqual(got, ['older', 'old', 'new']);
  await logs.clear(path, undefined);
  assert.equal(await read(path), '');
});
