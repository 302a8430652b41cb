// The displays write control characters, and that is what is looked at here.
/* oxlint-disable no-control-regex */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode } from '../../../build/wire/decode.ts';
import { encode } from '../../../build/wire/encode.ts';
import { statusResponse } from '../../../build/wire/control.ts';
import type { Draft } from '../../../build/wire/message.ts';
import type { StatusEvent } from './events.ts';
import { PlainDisplay } from './plain.ts';
import { rawJsonDisplay } from './raw-json.ts';
import { TerminalDisplay } from './tty.ts';

const at = (ms: number) => ({ seconds: 1_700_000_000 + Math.floor(ms / 1000), nanos: (ms % 1000) * 1e6 });
const event = (draft: Draft<typeof statusResponse>): StatusEvent =>
  decode(statusResponse, encode(statusResponse, draft));
const text = (value: string): Uint8Array => Buffer.from(value);

const begun = event({
  vertexes: [
    { digest: 'sha256:a', name: '[1/2] FROM base', started: at(0), completed: at(10), cached: true },
    { digest: 'sha256:b', name: '[2/2] RUN make', inputs: ['sha256:a'], started: at(20) },
  ],
  statuses: [
    { id: 'layer one', vertex: 'sha256:b', current: 1_048_576, total: 3_330_000, timestamp: at(30), started: at(20) },
  ],
});
const printed = event({
  logs: [
    { vertex: 'sha256:b', timestamp: at(220), stream: 1, msg: text('one\nhalf of ') },
    { vertex: 'sha256:b', timestamp: at(12_020), stream: 2, msg: text('two\n\x1b[31mred\x1b[0m\n') },
  ],
  warnings: [{ vertex: 'sha256:a', level: 1, short: text('Rule: it (line 1)') }],
});
const failed = event({
  vertexes: [
    { digest: 'sha256:b', name: '[2/2] RUN make', started: at(20), completed: at(12_520), error: 'exit code: 2' },
  ],
  statuses: [
    {
      id: 'layer one',
      vertex: 'sha256:b',
      current: 3_330_000,
      total: 3_330_000,
      timestamp: at(1020),
      started: at(20),
      completed: at(1020),
    },
  ],
});

test('plain progress has the lines of buildx', () => {
  let shown = '';
  const display = new PlainDisplay((piece) => {
    shown += piece;
  }, 'building with "default" instance using docker driver');
  for (const one of [begun, printed, failed]) display.take(one);
  display.finish();
  assert.equal(
    shown,
    `#0 building with "default" instance using docker driver

#1 [1/2] FROM base
#1 CACHED

#2 [2/2] RUN make
#2 layer one 1.05MB / 3.33MB
#2 layer one 3.33MB / 3.33MB 1.0s done
#2 0.200 one
#2 0.200 half of two
#2 12.00 \x1b[31mred\x1b[0m
#2 ERROR: exit code: 2
------
 > [2/2] RUN make:
0.200 one
0.200 half of two
12.00 \x1b[31mred\x1b[0m
------
`,
  );
});

test('events as JSON have the names and shapes of BuildKit', () => {
  const lines: string[] = [];
  const display = rawJsonDisplay((line) => lines.push(line));
  for (const one of [begun, printed]) display.take(one);
  assert.deepEqual(
    lines.map((line) => JSON.parse(line) as unknown),
    [
      {
        vertexes: [
          {
            digest: 'sha256:a',
            name: '[1/2] FROM base',
            started: '2023-11-14T22:13:20Z',
            completed: '2023-11-14T22:13:20.01Z',
            cached: true,
          },
          { digest: 'sha256:b', inputs: ['sha256:a'], name: '[2/2] RUN make', started: '2023-11-14T22:13:20.02Z' },
        ],
        statuses: [
          {
            id: 'layer one',
            vertex: 'sha256:b',
            total: 3_330_000,
            current: 1_048_576,
            timestamp: '2023-11-14T22:13:20.03Z',
            started: '2023-11-14T22:13:20.02Z',
          },
        ],
      },
      {
        logs: [
          { vertex: 'sha256:b', stream: 1, data: 'b25lCmhhbGYgb2Yg', timestamp: '2023-11-14T22:13:20.22Z' },
          { vertex: 'sha256:b', stream: 2, data: 'dHdvChtbMzFtcmVkG1swbQo=', timestamp: '2023-11-14T22:13:32.02Z' },
        ],
        warnings: [{ vertex: 'sha256:a', level: 1, short: 'UnVsZTogaXQgKGxpbmUgMSk=' }],
      },
    ],
  );
});

/** What is on a terminal after all of it: lines, without colours. */
function picture(written: string): string[] {
  const lines: string[] = [''];
  let row = 0;
  for (const [piece] of written.matchAll(/\x1b\[[0-9;?]*[A-Za-z]|\n|\r|[^\x1b\n\r]+/g)) {
    const up = /^\x1b\[(\d+)A$/.exec(piece);
    if (up !== null) row -= Number(up[1]);
    else if (piece === '\n') lines[++row] ??= '';
    else if (piece === '\x1b[0J') lines.length = row + 1;
    else if (piece === '\x1b[2K') lines[row] = '';
    else if (!piece.startsWith('\x1b') && piece !== '\r') lines[row] = `${lines[row] ?? ''}${piece}`;
  }
  return lines.map((line) => line.trimEnd()).filter((line) => line !== '');
}

test('on a terminal steps have marks and times, and what runs shows its last lines', () => {
  let written = '';
  const screen = {
    size: () => ({ width: 60, height: 12 }),
    write: (piece: string) => void (written += piece),
    hasColours: true,
  };
  const display = new TerminalDisplay(screen, 'docker:default');
  display.take(begun);
  display.take(printed);
  // Drawn at most ten times a second: what came too early is drawn at the end.
  display.finish();
  const running = picture(written);
  assert.match(running[0] ?? '', /^\[\+\] Building \d+\.\ds \(1\/2\) +docker:default$/);
  assert.deepEqual(running.slice(1, 4), [
    ' => CACHED [1/2] FROM base                              0.0s',
    ' => WARN: Rule: it (line 1)                             0.0s',
    ' => [2/2] RUN make                                      0.0s',
  ]);
  assert.match(running[4] ?? '', /^ => => layer one +1\.05MB \/ 3\.33MB +0\.0s$/);
  written = '';
  const last = new TerminalDisplay(screen, '');
  for (const one of [begun, printed, failed]) last.take(one);
  last.finish();
  assert.match(written, /\x1b\[31m => ERROR \[2\/2\] RUN make +12\.5s\x1b\[0m/);
  assert.deepEqual(picture(written).slice(-6), [
    '------',
    ' > [2/2] RUN make:',
    '0.200 one',
    '0.200 half of two',
    '12.00 red',
    '------',
  ]);
});

test('output of commands below a running step moves no cursor', async () => {
  let written = '';
  const screen = {
    size: () => ({ width: 60, height: 12 }),
    write: (piece: string) => void (written += piece),
    hasColours: false,
  };
  const display = new TerminalDisplay(screen, '');
  display.take(begun);
  const drawn = Promise.withResolvers<void>();
  const write = screen.write;
  screen.write = (piece) => {
    write(piece);
    if (piece.includes('# red')) drawn.resolve();
  };
  display.take(printed);
  await drawn.promise;
  const lines = picture(written);
  assert.deepEqual(
    lines.filter((line) => line.includes('#')),
    [' => => # one', ' => => # half of two', ' => => # red'],
  );
  assert.ok(!written.includes('\x1b[31m'));
  display.finish();
});
