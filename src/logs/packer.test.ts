import assert from 'node:assert/strict';
import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { Latch, Mutex } from '../base/async.ts';
import { newContainerId } from '../base/ids.ts';
import { silentLogger } from '../base/log.ts';
import type { LogBatch, LogReadOptions } from '../spec/contract/logs.ts';
import { fileIdentity, LogFile } from './log-file.ts';
import { packFile } from './packed.ts';
import { LogPacker } from './packer.ts';
import { readLog } from './read.ts';
import { clearLog, rotateLog } from './rotate.ts';

const base = mkdtempSync(join(tmpdir(), 'packed-'));
after(() => rmSync(base, { recursive: true, force: true }));
const never = new AbortController().signal;
const newLog = (): string => join(mkdtempSync(join(base, 'log-')), 'container.log');
const line = (text: string): string => `2026-01-01T00:00:00.000000001+00:00 stdout F ${text}\n`;
const lines = (from: number, to: number, width = 0): string =>
  Array.from({ length: to - from }, (_, at) => line(String(from + at).padStart(width, '.'))).join('');
const files = (path: string): string[] =>
  readdirSync(dirname(path))
    .filter((name) => !name.endsWith('.state'))
    .sort();

async function read(path: string, options: Partial<LogReadOptions> = {}): Promise<string> {
  const parts: string[] = [];
  const all = { follow: false, stdout: true, stderr: true, ...options };
  for await (const { count, block, starts, ends } of readLog(path, all, Promise.resolve())) {
    for (let at = 0; at < count; at++) parts.push(block.toString('latin1', starts[at], ends[at]));
  }
  return parts.join('');
}

/** Compresses all rotated files of a log, to the end. */
async function pack(path: string): Promise<void> {
  const packer = new LogPacker(silentLogger);
  const id = newContainerId();
  packer.start(id, path, new Mutex());
  while (files(path).some((name) => /\.\d+$|new/.test(name))) await new Promise((resolve) => setImmediate(resolve));
  await packer.close();
}

test('compressed files are read as they were: whole, from any place, the last lines', async () => {
  const path = newLog();
  // Several blocks; lines go over their borders.
  writeFileSync(`${path}.2`, lines(0, 20_000, 61));
  writeFileSync(`${path}.1`, lines(20_000, 20_010));
  writeFileSync(path, lines(20_010, 20_020));
  const raw = readFileSync(`${path}.2`);
  assert.ok(raw.length > 5 * 256 * 1024);
  const identity = await fileIdentity(`${path}.2`);
  const wholes = await read(path);
  const tails = [0, 1, 10, 11, 20, 21, 3000, 9999, 20_019, 20_020, 20_021];
  const wanted = await Promise.all(tails.map((tail) => read(path, { tail })));
  await pack(path);
  assert.deepEqual(files(path), ['container.log', 'container.log.1.gz', 'container.log.2.gz']);
  assert.ok(statSync(`${path}.2.gz`).size < raw.length / 5);
  assert.ok(gunzipSync(readFileSync(`${path}.2.gz`)).equals(raw), 'any gzip reads it');
  assert.equal(await fileIdentity(`${path}.2.gz`), identity);
  assert.equal(await read(path), wholes);
  for (const [index, tail] of tails.entries()) {
    assert.ok((await read(path, { tail })) === wanted[index], `tail ${tail}`);
  }
  const file = await LogFile.open(`${path}.2.gz`);
  assert.ok(file);
  assert.equal((await file.handle.stat()).size, raw.length);
  for (const at of [0, 1, 256 * 1024 - 1, 256 * 1024, 700_000, raw.length - 5, raw.length, raw.length + 9]) {
    const buffer = Buffer.alloc(300_000, 0x21);
    const { bytesRead } = await file.handle.read(buffer, 7, 290_000, at);
    assert.ok(buffer.subarray(7, 7 + bytesRead).equals(raw.subarray(at, at + 290_000)), `from ${at}`);
    assert.equal(buffer[7 + bytesRead], 0x21);
  }
  await file.close();
});

test('a follower goes on from an old file over rotations and compression', async () => {
  const path = newLog();
  writeFileSync(`${path}.1`, lines(0, 3000));
  writeFileSync(path, lines(3000, 6000));
  const ended = new Latch();
  const iterator = readLog(path, { follow: true, stdout: true, stderr: true }, ended.wait());
  let next = 0;
  const take = ({ count, block, starts, ends }: LogBatch) => {
    for (let at = 0; at < count; at++) assert.equal(block.toString('latin1', starts[at], ends[at]), `${next++}\n`);
  };
  const first = await iterator.next();
  assert.ok(first.done !== true);
  take(first.value);
  for (let round = 2; round < 6; round++) {
    await rotateLog(path, 9, {
      held: false,
      log: silentLogger,
      reopen: async () => writeFileSync(path, lines(round * 3000, (round + 1) * 3000)),
    });
    await pack(path);
  }
  ended.set();
  for await (const batch of iterator) take(batch);
  assert.equal(next, 18_000);
  assert.deepEqual(files(path), ['container.log', ...[1, 2, 3, 4, 5].map((number) => `container.log.${number}.gz`)]);
});

test('rotation counts compressed files, and clearing takes them away', async () => {
  const path = newLog();
  for (let number = 0; number < 5; number++) {
    writeFileSync(path, line(`file ${number}`));
    await rotateLog(path, 3, { held: false, log: silentLogger, reopen: async () => writeFileSync(path, '') });
    await pack(path);
  }
  assert.deepEqual(files(path), ['container.log', 'container.log.1.gz', 'container.log.2.gz']);
  assert.equal(await read(path), 'file 3\nfile 4\n');
  await clearLog(path, async () => writeFileSync(path, line('new')));
  assert.deepEqual(files(path), ['container.log']);
  assert.equal(await read(path), 'new\n');
});

test('what a killed engine left is put right, a damaged file hides no other', async () => {
  const path = newLog();
  writeFileSync(path, line('c'));
  writeFileSync(`${path}.1`, line('b'));
  writeFileSync(`${path}.2`, line('a'));
  await pack(path);
  // Killed between the exchange and the removal, and while it was writing.
  writeFileSync(`${path}.1`, line('b'));
  writeFileSync(`${path}.new.gz`, 'torn');
  assert.equal(await read(path), 'a\nb\nc\n');
  await pack(path);
  assert.deepEqual(files(path), ['container.log', 'container.log.1.gz', 'container.log.2.gz']);
  assert.equal(await read(path), 'a\nb\nc\n');
  const whole = readFileSync(`${path}.2.gz`);
  for (const damaged of [Buffer.alloc(0), Buffer.from('nonsense'), whole.subarray(0, -3), whole.subarray(9)]) {
    writeFileSync(`${path}.2.gz`, damaged);
    assert.equal(await read(path), 'b\nc\n');
  }
});

test('a file that is renamed or goes meanwhile, one that the monitor may write to, and stopping', async () => {
  const path = newLog();
  const id = newContainerId();
  const packer = new LogPacker(silentLogger);
  const mutex = new Mutex();
  writeFileSync(`${path}.1`, lines(0, 50_000));
  // Without a current file nothing is touched.
  packer.start(id, path, mutex);
  await packer.stop(id);
  assert.deepEqual(files(path), ['container.log.1']);
  writeFileSync(path, lines(50_000, 50_001));
  packer.start(id, path, mutex);
  while (!files(path).includes('container.log.new.gz')) await new Promise((resolve) => setImmediate(resolve));
  await mutex.run(() => renameSync(`${path}.1`, `${path}.4`));
  while (files(path).length > 2 || !files(path).includes('container.log.4.gz')) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal((await read(path)).length, lines(0, 50_001).length - 50_001 * line('').length + 50_001);
  writeFileSync(`${path}.1`, lines(0, 50_000));
  packer.start(id, path, mutex);
  while (!files(path).includes('container.log.new.gz')) await new Promise((resolve) => setImmediate(resolve));
  await packer.close();
  assert.deepEqual(files(path), ['container.log', 'container.log.1', 'container.log.4.gz']);
  appendFileSync(path, line('x'));
});

test('a file of no bytes, and what grows meanwhile', async () => {
  const path = newLog();
  writeFileSync(`${path}.1`, '');
  writeFileSync(path, line('a'));
  await pack(path);
  assert.equal(await read(path), 'a\n');
  const from = await open(path, 'r');
  const to = await open(`${path}.1.gz`, 'w');
  assert.equal(await packFile(from, to, 'x:1', never), line('a').length);
  await from.close();
  await to.close();
  assert.equal(await fileIdentity(`${path}.1.gz`), 'x:1');
});
