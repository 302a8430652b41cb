import assert from 'node:assert/strict';
import test from 'node:test';
import { progressBar, showProgress } from './progress.ts';

async function show(messages: readonly unknown[], isTerminal: boolean): Promise<string> {
  let text = '';
  async function* body() {
    for (const message of messages) yield new TextEncoder().encode(`${JSON.stringify(message)}\n`);
  }
  await showProgress(body(), { isTerminal, width: 120, write: (part) => void (text += part) });
  return text;
}

const pull = [
  { status: 'Pulling from x', id: 'latest' },
  { status: 'Downloading', progressDetail: { current: 500, total: 1000 }, id: 'aa' },
  { status: 'Waiting', progressDetail: {}, id: 'bb' },
  { status: 'Done', progressDetail: {}, id: 'aa' },
];

test('without a terminal only changes of state are printed', async () => {
  assert.equal(await show(pull, false), 'latest: Pulling from x\nbb: Waiting\naa: Done\n');
});

test('on a terminal the line of a layer is drawn over', async () => {
  const bar = `[${'='.repeat(25)}>${' '.repeat(25)}]     500B/1kB`;
  assert.equal(
    await show(pull, true),
    `latest: Pulling from x\n\n\x1b[1A\x1b[2K\raa: Downloading ${bar}\r\x1b[1B\n\x1b[1A\x1b[2K\rbb: Waiting \r\x1b[1B\x1b[2A\x1b[2K\raa: Done \r\x1b[2B`,
  );
});

test('an error in the stream is thrown', async () => {
  await assert.rejects(show([{ errorDetail: { message: 'it broke' } }], false), { message: 'it broke' });
});

test('bars show what is known', () => {
  assert.equal(progressBar({}, 200), '');
  assert.equal(progressBar({ current: 1500 }, 200), '   1.5kB');
  assert.equal(progressBar({ current: 3, units: 's' }, 200), '3 s');
  assert.equal(progressBar({ current: 1500, total: 3000 }, 80), '   1.5kB/3kB');
  assert.equal(progressBar({ current: 10, total: 100, start: 100 }, 80, 110_000), '     10B/100B 1m30s');
});
