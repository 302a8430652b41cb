import { systemClock } from '../../base/clock.ts';
import { invalid } from '../../base/errors.ts';
import { isDecimal } from '../../base/text/digits.ts';
import type { StdioSink } from '../../spec/contract/launch.ts';
import type { LogBatch, LogReadOptions } from '../../spec/contract/logs.ts';
import { parseTimestamp } from '../../spec/decode/time.ts';
import { parseDetachKeys } from '../hijack/detach-keys.ts';
import { streamType } from '../hijack/frames.ts';
import { clientOver, hijack, type HijackedClient, serveStdio, type StdioWishes } from '../hijack/session.ts';
import { endStream, takeOverWith } from '../hijack/takeover.ts';
import type { Exchange } from '../http/exchange.ts';
import { LogOutput } from '../http/log-output.ts';
import { beginStream, writeChunk } from '../http/streams.ts';
import type { AttachSession } from '../services/container-streams.ts';
import type { ContainerService } from '../services/container.ts';
import { acceptLines } from '../websocket/handshake.ts';
import { WebSocketStream } from '../websocket/stream.ts';
import type { Handlers } from './handlers.ts';

export function containerStreamHandlers(containers: ContainerService): Handlers {
  return {
    ContainerAttach: (exchange) => attach(exchange, containers),
    ContainerAttachWebsocket: (exchange) => attachWebSocket(exchange, containers),
    ContainerLogs: (exchange) => logs(exchange, containers),
    async ContainerLogsClear(exchange) {
      await containers.clearLogs(exchange.param('id'));
      exchange.empty(204);
    },
    ContainerStats: (exchange) => stats(exchange, containers),
  };
}

async function attach(exchange: Exchange, containers: ContainerService): Promise<void> {
  const detachKeys = parseDetachKeys(exchange.text('detachKeys'));
  const session = await containers.attach(exchange.param('id'));
  const wishes: StdioWishes = {
    tty: session.tty,
    multiplexed: !session.tty,
    stdin: exchange.flag('stdin') && session.openStdin,
    stdout: exchange.flag('stdout'),
    stderr: exchange.flag('stderr'),
    detachKeys,
  };
  await serveAttached(exchange, containers, session, wishes, () => hijack(exchange, wishes));
}

/**
 * The same over a WebSocket: stdout and stderr in one, in frames of bytes (of text before API 1.28). Before API 1.42
 * all streams are connected, whatever is asked for.
 */
async function attachWebSocket(exchange: Exchange, containers: ContainerService): Promise<void> {
  const { minor, request } = exchange;
  const detachKeys = parseDetachKeys(exchange.text('detachKeys'));
  const accept = acceptLines(request.headers);
  const session = await containers.attach(exchange.param('id'));
  const wants = (name: string): boolean => minor < 42 || exchange.flag(name);
  const wishes: StdioWishes = {
    tty: session.tty,
    multiplexed: false,
    stdin: wants('stdin') && session.openStdin,
    stdout: wants('stdout'),
    stderr: wants('stderr'),
    detachKeys,
  };
  await serveAttached(exchange, containers, session, wishes, () => {
    const connection = takeOverWith(exchange, `HTTP/1.1 101 Switching Protocols\r\n${accept}\r\n`);
    return clientOver(new WebSocketStream(connection, minor < 28 ? 'text' : 'binary'), wishes);
  });
}

/** What both ways to attach have in common; `connect` takes the connection over when nothing can be refused any more. */
async function serveAttached(
  exchange: Exchange,
  containers: ContainerService,
  session: AttachSession,
  wishes: StdioWishes,
  connect: () => HijackedClient,
): Promise<void> {
  const history = exchange.flag('logs')
    ? await containers.logs(exchange.param('id'), { follow: false, stdout: wishes.stdout, stderr: wishes.stderr })
    : undefined;
  await exchange.settle();
  const client = connect();
  if (history !== undefined) {
    for await (const batch of history.batches) await showHistory(batch, client.sink);
  }
  if (!exchange.flag('stream')) {
    endStream(client.stream);
    return;
  }
  session.stdio.add(client.sink);
  if (await serveStdio(client, wishes, session.stdio)) session.detached();
}

/** Sinks keep what they are given, and a batch is used again. */
async function showHistory(batch: LogBatch, sink: StdioSink): Promise<void> {
  for (let index = 0; index < batch.count; index++) {
    const bytes = Uint8Array.prototype.slice.call(batch.block, batch.starts[index], batch.ends[index]);
    sink.write(((batch.kinds[index] ?? 0) & 2) === 0 ? 1 : 2, bytes);
    await sink.pace?.();
  }
}

async function logs(exchange: Exchange, containers: ContainerService): Promise<void> {
  const options = logOptions(exchange);
  const { tty, batches, attributes } = await containers.logs(exchange.param('id'), options);
  const { response, signal, minor } = exchange;
  beginStream(response, streamType(!tty, minor));
  const format = {
    multiplexed: !tty,
    gathered: joinsFrames(exchange),
    timestamps: exchange.flag('timestamps'),
    details: exchange.flag('details') ? Buffer.from(`${detailsText(attributes)} `) : Buffer.alloc(0),
  };
  try {
    const output = new LogOutput(response, format, signal);
    for await (const batch of batches) await output.write(batch);
    await output.finish();
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  response.end();
}

/**
 * Docker sends a frame a line, and programs that read them through an SDK count on it; so does Gantry's command line, which
 * sorts the lines of several logs. Docker's only writes one frame after the other to its output: each costs it two reads
 * and a write.
 */
const joinsFrames = ({ request }: Exchange): boolean =>
  (request.headers['user-agent'] ?? '').startsWith('Docker-Client/');

/** What `--details` shows in front of a line: the attributes sorted by name, escaped as in the query of a URL. */
function detailsText(attributes: ReadonlyMap<string, string>): string {
  const escape = (text: string): string => new URLSearchParams([['', text]]).toString().slice(1);
  const pairs = [...attributes].sort(([a], [b]) => (a < b ? -1 : 1));
  return pairs.map(([name, value]) => `${escape(name)}=${escape(value)}`).join(',');
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
