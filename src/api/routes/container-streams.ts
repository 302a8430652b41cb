import { systemClock } from '../../base/clock.ts';
import { invalid } from '../../base/errors.ts';
import { isDecimal } from '../../base/text/digits.ts';
import type { LogEntry, LogReadOptions } from '../../spec/contract/logs.ts';
import { parseTimestamp } from '../../spec/decode/time.ts';
import { parseDetachKeys } from '../hijack/detach-keys.ts';
import { frame, streamType } from '../hijack/frames.ts';
import { hijack, serveStdio, type StdioWishes } from '../hijack/session.ts';
import { endStream } from '../hijack/takeover.ts';
import type { Exchange } from '../http/exchange.ts';
import { beginStream, ChunkGatherer, writeChunk } from '../http/streams.ts';
import type { ContainerService } from '../services/container.ts';
import type { Handlers } from './handlers.ts';

export function containerStreamHandlers(containers: ContainerService): Handlers {
  return {
    ContainerAttach: (exchange) => attach(exchange, containers),
    ContainerLogs: (exchange) => logs(exchange, containers),
    ContainerStats: (exchange) => stats(exchange, containers),
  };
}

async function attach(exchange: Exchange, containers: ContainerService): Promise<void> {
  const name = exchange.param('id');
  const detachKeys = parseDetachKeys(exchange.text('detachKeys'));
  const session = await containers.attach(name);
  const wishes: StdioWishes = {
    tty: session.tty,
    multiplexed: !session.tty,
    stdin: exchange.flag('stdin') && session.openStdin,
    stdout: exchange.flag('stdout'),
    stderr: exchange.flag('stderr'),
    detachKeys,
  };
  const history = exchange.flag('logs')
    ? await containers.logs(name, { follow: false, stdout: wishes.stdout, stderr: wishes.stderr })
    : undefined;
  await exchange.settle();
  const client = hijack(exchange, wishes);
  if (history !== undefined) {
    for await (const entry of history.entries) {
      client.sink.write(entry.stream === 'stdout' ? 1 : 2, entry.bytes);
      await client.sink.pace();
    }
  }
  if (!exchange.flag('stream')) {
    endStream(client.stream);
    return;
  }
  session.stdio.add(client.sink);
  if (await serveStdio(client, wishes, session.stdio)) session.detached();
}

async function logs(exchange: Exchange, containers: ContainerService): Promise<void> {
  const options = logOptions(exchange);
  const { tty, entries } = await containers.logs(exchange.param('id'), options);
  const { response, signal, minor } = exchange;
  const prefix = { timestamps: exchange.flag('timestamps'), details: exchange.flag('details') };
  beginStream(response, streamType(!tty, minor));
  try {
    const output = new ChunkGatherer(response, signal);
    for await (const entry of entries) {
      const bytes = withPrefix(entry, prefix);
      for (const piece of tty ? [bytes] : frame(entry.stream === 'stdout' ? 1 : 2, bytes)) {
        const behind = output.add(piece);
        if (behind !== undefined) await behind;
      }
    }
    await output.flush();
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  response.end();
}

function logOptions(exchange: Exchange): LogReadOptions & { signal: AbortSignal } {
  const stdout = exchange.flag('stdout');
  const stderr = exchange.flag('stderr');
  if (!stdout && !stderr) throw invalid('Bad parameters: you must choose at least one stream');
  const nowNs = systemClock.nowNs();
  const time = (key: 'since' | 'until'): bigint | undefined => {
    const text = exchange.text(key);
    // 0 is how clients say that they did not ask.
    return text === undefined || text === '' || text === '0' ? undefined : parseTimestamp(text, nowNs, key);
  };
  const sinceNs = time('since');
  const untilNs = time('until');
  const tail = exchange.text('tail') ?? '';
  return {
    follow: exchange.flag('follow'),
    stdout,
    stderr,
    signal: exchange.signal,
    ...(sinceNs === undefined ? {} : { sinceNs }),
    ...(untilNs === undefined ? {} : { untilNs }),
    // Anything that is no number means all lines, as with Docker.
    ...(isDecimal(tail) && tail.length <= 15 ? { tail: Number(tail) } : {}),
  };
}

/** `--timestamps` and `--details`: time with all nine digits, then the entry's attributes (there are none) and a space. */
function withPrefix(entry: LogEntry, wanted: { timestamps: boolean; details: boolean }): Uint8Array {
  if (!wanted.timestamps && !wanted.details) return entry.bytes;
  const time = wanted.timestamps ? `${fixedTime(entry.timeNs)} ` : '';
  return Buffer.concat([Buffer.from(time + (wanted.details ? ' ' : '')), entry.bytes]);
}

/** RFC 3339 with exactly nine digits of a second, so that the lines of a log align. */
function fixedTime(ns: bigint): string {
  const seconds = new Date(Number(ns / 1_000_000n)).toISOString().slice(0, 19);
  return `${seconds}.${(ns % 1_000_000_000n).toString().padStart(9, '0')}Z`;
}

async function stats(exchange: Exchange, containers: ContainerService): Promise<void> {
  const { response, signal } = exchange;
  // Docker streams unless it is told not to.
  const stream = exchange.flag('stream', true);
  const oneShot = !stream && exchange.minor >= 41 && exchange.flag('one-shot');
  if (stream && exchange.flag('one-shot')) throw invalid('cannot have stream=true and one-shot=true');
  const views = await containers.stats(exchange.param('id'), { stream, oneShot, signal });
  beginStream(response, 'application/json');
  try {
    for await (const view of views) await writeChunk(response, `${JSON.stringify(view)}\n`, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  response.end();
}
