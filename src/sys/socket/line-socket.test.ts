import assert from 'node:assert/strict';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { connectLines, LineSocket, listenForLines } from './line-socket.ts';

const folder = mkdtempSync(join(tmpdir(), 'gantry-lines-'));
after(() => rmSync(folder, { recursive: true }));

interface Pair {
  readonly client: LineSocket;
  readonly lines: { text: string; descriptors: readonly number[] }[];
  readonly until: (count: number) => Promise<void>;
  readonly ended: Promise<void>;
  readonly close: () => void;
}

async function pair(limit: number, path = join(folder, 'socket')): Promise<Pair> {
  const lines: Pair['lines'] = [];
  let wake = (): void => undefined;
  const end = Promise.withResolvers<void>();
  const connected = Promise.withResolvers<LineSocket>();
  const listening = listenForLines(path, (fd) => {
    const line = (text: string, descriptors: readonly number[]): void => {
      lines.push({ text, descriptors });
      wake();
    };
    connected.resolve(new LineSocket(fd, limit, { line, ended: () => end.resolve() }));
  });
  const client = connectLines(path, limit, { line: () => undefined, ended: () => undefined }) ?? assert.fail();
  const server = await connected.promise;
  return {
    client,
    lines,
    async until(count) {
      while (lines.length < count) await new Promise<void>((resolve) => (wake = resolve));
    },
    ended: end.promise,
    close() {
      listening[Symbol.dispose]();
      client.close();
      server.close();
      rmSync(path, { force: true });
    },
  };
}

test('lines come whole and in order, each with its own descriptors', async () => {
  const { client, lines, until, close } = await pair(1 << 20);
  const large = 'x'.repeat(500_000);
  const file = (text: string): number => {
    writeFileSync(join(folder, text), text);
    return openSync(join(folder, text), 'r');
  };
  client.send('first');
  client.send('second', [file('a'), file('b')]);
  client.send(large, [file('c')]);
  client.send('');
  client.send('last', [file('d')]);
  await until(5);
  assert.deepEqual(
    lines.map(({ text }) => text),
    ['first', 'second', large, '', 'last'],
  );
  const contents = lines.map(({ descriptors }) => descriptors.map((fd) => readFileSync(fd, 'utf8')));
  assert.deepEqual(contents, [[], ['a', 'b'], ['c'], [], ['d']]);
  for (const fd of lines.flatMap(({ descriptors }) => descriptors)) closeSync(fd);
  close();
});

test('a line that is too long ends the connection, and nobody there is no error', async () => {
  const { client, lines, ended, close } = await pair(100_000);
  client.send('x'.repeat(300_000));
  await ended;
  assert.deepEqual(lines, []);
  close();
  const nobody = { line: () => undefined, ended: () => undefined };
  assert.equal(connectLines(join(folder, 'socket'), 10, nobody), undefined);
  const long = join(folder, 'n'.repeat(120));
  mkdirSync(long);
  const far = await pair(100, join(long, 'socket'));
  far.client.send('hello');
  await far.until(1);
  far.close();
});
