import assert from 'node:assert/strict';
import test from 'node:test';
import { type LogLine, logLines, mergeByTime } from './_merged-logs.ts';

const time = (second: number): string => `2026-01-02T03:04:${String(second).padStart(2, '0')}.000000000Z`;

async function* from<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

const frame = (stream: 1 | 2, text: string): Buffer => {
  const bytes = Buffer.from(text);
  const head = Buffer.from([stream, 0, 0, 0, 0, 0, 0, 0]);
  head.writeUInt32BE(bytes.length, 4);
  return Buffer.concat([head, bytes]);
};

test('the lines of frames in any pieces: parts come together, streams stay apart', async () => {
  const bytes = Buffer.concat([
    frame(1, `${time(1)} one\n`),
    frame(1, `${time(2)} par`),
    frame(2, `${time(3)} error é\n`),
    frame(1, `${time(4)} t\n`),
    frame(1, `${time(5)} open`),
  ]);
  for (const size of [1, 3, 7, 50, 1000]) {
    const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
      bytes.subarray(at * size, (at + 1) * size),
    );
    assert.deepEqual(await Array.fromAsync(logLines(from(chunks), 7, false)), [
      { source: 7, fd: 1, time: time(1), text: 'one' },
      { source: 7, fd: 2, time: time(3), text: 'error é' },
      { source: 7, fd: 1, time: time(2), text: 'part' },
      { source: 7, fd: 1, time: time(5), text: 'open' },
    ]);
  }
});

test('the lines of a terminal', async () => {
  const text = Buffer.from(`${time(1)} one\r\n${time(2)} two\r\n`);
  const lines = await Array.fromAsync(logLines(from([text.subarray(0, 40), text.subarray(40)]), 0, true));
  assert.deepEqual(
    lines.map((line) => line.text),
    ['one', 'two'],
  );
});

const line = (source: number, second: number): LogLine => ({ source, fd: 1, time: time(second), text: String(second) });
const texts = (lines: readonly LogLine[]): string[] => lines.map(({ text }) => text);

test('several logs come in order of time', async () => {
  const sources = [
    from([line(0, 1), line(0, 4), line(0, 5)]),
    from([line(1, 2), line(1, 3), line(1, 9)]),
    from<LogLine>([]),
  ];
  assert.deepEqual(texts(await Array.fromAsync(mergeByTime(sources, false))), ['1', '2', '3', '4', '5', '9']);
});

test('a silent log holds the others up for a moment only', async () => {
  const { promise: never, resolve } = Promise.withResolvers<void>();
  async function* silent(): AsyncGenerator<LogLine> {
    await never;
    yield line(1, 1);
  }
  const merged = mergeByTime([from([line(0, 2), line(0, 3), line(0, 4)]), silent()], true);
  const began = performance.now();
  const first = [await merged.next(), await merged.next(), await merged.next()];
  assert.ok(performance.now() - began < 1000);
  resolve();
  const rest = await Array.fromAsync(merged);
  assert.deepEqual(texts([...first.map(({ value }) => value as LogLine), ...rest]), ['2', '3', '4', '1']);
});
