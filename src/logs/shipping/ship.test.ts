import assert from 'node:assert/strict';
import { appendFileSync, existsSync, mkdtempSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Latch, Mutex } from '../../base/async.ts';
import { newContainerId } from '../../base/ids.ts';
import { silentLogger } from '../../base/log.ts';
import { Batch } from '../batch.ts';
import { noteDropped } from '../state.ts';
import type { LogDriver, Message } from '../drivers/driver.ts';
import { LogPacker } from '../packer.ts';
import { rotateLog } from '../rotate.ts';
import { MessageAssembler } from './assemble.ts';
import { noPlaces, type Places, readCursor } from './cursor.ts';
import { shipLog } from './ship.ts';

const base = mkdtempSync(join(tmpdir(), 'ship-'));
after(() => rmSync(base, { recursive: true, force: true }));
let count = 0;
const newLog = (): string => join(mkdtempSync(join(base, `${count++}-`)), 'container.log');

const line = (text: string, tag = 'F', stream = 'stdout'): string =>
  `2026-01-01T00:00:00.000000001+00:00 ${stream} ${tag} ${text}\n`;
const shown = ({ stream, line: bytes, part }: Message): string => {
  const text = bytes.length > 100 ? String(bytes.length) : bytes.toString();
  const place = part === undefined ? '' : ` ${part.ordinal}${part.last ? ' last' : ''}`;
  return `${stream === 'stderr' ? '!' : ''}${text}${place}`;
};

/** A backend in memory that fails as it is told. */
function fakeBackend() {
  const got: string[] = [];
  const state = { failAfter: Number.POSITIVE_INFINITY, arrived: new Latch<void>(), closed: 0 };
  const driver: LogDriver = {
    async send(messages, sent) {
      for (const [index, one] of messages.entries()) {
        if (state.failAfter-- <= 0) throw new Error('away');
        got.push(shown(one));
        sent(index + 1);
      }
      state.arrived.set();
    },
    close: () => void state.closed++,
  };
  return { got, state, driver };
}

function ship(logPath: string, driver: LogDriver) {
  const ended = new Latch();
  const stop = new AbortController();
  const said: string[] = [];
  const over = shipLog({ logPath, driver, ended, signal: stop.signal, say: (_level, text) => said.push(text) });
  return { ended, stop, said, over };
}

/** Ships all that is there. */
async function shipAll(logPath: string): Promise<string[]> {
  const { got, driver } = fakeBackend();
  const { ended, over } = ship(logPath, driver);
  ended.set();
  await over;
  return got;
}

test('what was sent is not sent again, what comes later is', async () => {
  const path = newLog();
  writeFileSync(path, line('one') + line('two', 'F', 'stderr'));
  assert.deepEqual(await shipAll(path), ['one', '!two']);
  assert.deepEqual(await shipAll(path), []);
  appendFileSync(path, line('three') + line(''));
  renameSync(path, `${path}.1`);
  writeFileSync(path, line('four'));
  assert.deepEqual(await shipAll(path), ['three', '', 'four']);
});

test('the cursor of a file counts when that is compressed', async () => {
  const path = newLog();
  writeFileSync(path, line('one') + line('two', 'F', 'stderr'));
  assert.deepEqual(await shipAll(path), ['one', '!two']);
  appendFileSync(path, line('three'));
  renameSync(path, `${path}.1`);
  writeFileSync(path, line('four'));
  const packer = new LogPacker(silentLogger);
  packer.start(newContainerId(), path, new Mutex());
  while (existsSync(`${path}.1`)) await new Promise((resolve) => setImmediate(resolve));
  await packer.close();
  assert.deepEqual(await shipAll(path), ['three', 'four']);
});

test('parts come together, a line of more than 16 KiB goes in parts', async () => {
  const path = newLog();
  const part = 'x'.repeat(8000);
  writeFileSync(
    path,
    line('a', 'P') +
      line('error', 'F', 'stderr') +
      line('b') +
      line(part, 'P').repeat(5) +
      line('end') +
      line('open', 'P'),
  );
  assert.deepEqual(await shipAll(path), ['!error', 'ab', '16384 1', '16384 2', '7235 3 last', 'open']);
  assert.deepEqual(await shipAll(path), []);
});

test('a backend that fails at any message gets every message once in the end', async () => {
  const part = 'y'.repeat(8000);
  const text =
    line('a') +
    line('b', 'P') +
    line('e1', 'F', 'stderr') +
    line(part, 'P').repeat(3) +
    line('e2', 'P', 'stderr') +
    line('c') +
    line('e3', 'F', 'stderr') +
    line('d');
  const wanted = ['a', '!e1', '16384 1', '7618 2 last', '!e2e3', 'd'];
  for (let failAfter = 0; failAfter <= wanted.length; failAfter++) {
    const path = newLog();
    writeFileSync(path, text);
    const { got, driver, state } = fakeBackend();
    state.failAfter = failAfter;
    // An engine that is killed as soon as the backend fails: only the cursor is left.
    const { ended, stop, over } = ship(path, {
      ...driver,
      send: (...args) =>
        driver.send(...args).catch((error: unknown) => {
          stop.abort();
          throw error;
        }),
    });
    ended.set();
    await over;
    assert.deepEqual([...got, ...(await shipAll(path))], wanted, `fails after ${failAfter}`);
  }
});

test('a backend that is away is waited for, and the engine says so once', async () => {
  const path = newLog();
  writeFileSync(path, line('one') + line('two'));
  const { got, driver, state } = fakeBackend();
  state.failAfter = 1;
  const { ended, over, said } = ship(path, driver);
  while (said.length === 0) await new Promise((resolve) => setImmediate(resolve));
  state.failAfter = Number.POSITIVE_INFINITY;
  ended.set();
  await over;
  assert.deepEqual(got, ['one', 'two']);
  assert.deepEqual(said, ['the log driver cannot send: it tries again', 'the log driver works again']);
  assert.equal(state.closed, 1);
});

test('files that were dropped are told of, once', async () => {
  const path = newLog();
  writeFileSync(path, line('one'));
  assert.deepEqual(await shipAll(path), ['one']);
  unlinkSync(path);
  writeFileSync(path, line('two'));
  await noteDropped(path, 2);
  const got = await shipAll(path);
  assert.match(got[0] ?? '', /^!.*lines were lost here/);
  assert.match(got[1] ?? '', /^!.*2 of its files were lost here/);
  assert.deepEqual(got.slice(2), ['two']);
  appendFileSync(path, line('three'));
  assert.deepEqual(await shipAll(path), ['three']);
});

test('rotation keeps what a cursor needs, and no more than four times as many files', async () => {
  const path = newLog();
  const said: string[] = [];
  const log = { ...silentLogger, warn: (text: string) => void said.push(text) };
  const rotate = async (number: number) => {
    await rotateLog(path, 2, { held: true, log, reopen: async () => writeFileSync(path, line(`file ${number}`)) });
  };
  writeFileSync(path, line('file 0'));
  assert.deepEqual(await shipAll(path), ['file 0']);
  for (let number = 1; number <= 5; number++) await rotate(number);
  assert.deepEqual(await shipAll(path), ['file 1', 'file 2', 'file 3', 'file 4', 'file 5']);
  await rotate(6);
  assert.ok(!existsSync(`${path}.3`), 'what was sent goes');
  for (let number = 7; number <= 20; number++) await rotate(number);
  assert.ok(existsSync(`${path}.8`) && !existsSync(`${path}.9`));
  assert.match(said[0] ?? '', /files were dropped/);
  const got = await shipAll(path);
  assert.equal(got.at(-1), 'file 20');
  assert.match(got.join(' '), /lines were lost here.*of its files were lost here/);
});

test('an exact multiple of 16 KiB ends with an empty part, as with Docker; damaged cursors begin anew', () => {
  const text = line('z'.repeat(8192), 'P') + line('z'.repeat(8192));
  const block = Buffer.from(text);
  const batch = new Batch(block);
  batch.scan(block.length);
  batch.file = 'f';
  batch.end = block.length;
  const messages = new MessageAssembler(noPlaces).add(batch);
  assert.deepEqual(
    messages.map(({ message }) => shown(message)),
    ['16384 1', ' 2 last'],
  );
  assert.deepEqual(messages.at(-1)?.after satisfies Places | undefined, {
    stdout: { file: 'f', at: block.length, skip: 0, part: undefined },
    stderr: { file: 'f', at: block.length, skip: 0, part: undefined },
    dropped: 0,
  });
  const path = newLog();
  writeFileSync(`${path}.cursor`, '{"stdout":');
  assert.deepEqual(readCursor(path), noPlaces);
  writeFileSync(`${path}.cursor`, '{"stdout":{"file":1},"stderr":7,"dropped":"x"}');
  assert.deepEqual(readCursor(path), noPlaces);
});
