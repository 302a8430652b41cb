import type { Duplex } from 'node:stream';
import type { StdioChannel } from '../../spec/contract/launch.ts';
import type { Exchange } from '../http/exchange.ts';
import { ClientSink } from './client-sink.ts';
import { pumpStdin } from './stdin.ts';
import { streamType } from './frames.ts';
import { endStream, takeOver } from './takeover.ts';

export interface StdioWishes {
  readonly tty: boolean;
  /** Output in frames that tell stdout from stderr. */
  readonly multiplexed: boolean;
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** The detach sequence; looked for in a terminal's input only. */
  readonly detachKeys: readonly number[];
}

/** The stream of a client that took its connection over, with the sink that writes to it. */
export interface HijackedClient {
  readonly stream: Duplex;
  readonly sink: ClientSink;
  /** Resolves when no more output will come, or when the client is gone. */
  readonly finished: Promise<void>;
}

/** Takes the connection over and makes its sink. */
export function hijack(exchange: Exchange, wishes: StdioWishes): HijackedClient {
  return clientOver(takeOver(exchange, streamType(wishes.multiplexed, exchange.minor)), wishes);
}

/** The client at the other end of a stream. */
export function clientOver(stream: Duplex, wishes: StdioWishes): HijackedClient {
  const { promise: finished, resolve } = Promise.withResolvers<void>();
  stream.once('close', () => resolve());
  const sink = new ClientSink(stream, {
    multiplexed: wishes.multiplexed,
    stdout: wishes.stdout,
    stderr: wishes.stderr,
    onEnd: resolve,
  });
  return { stream, sink, finished };
}

/**
 * Carries stdin to the process until the output ends, the client leaves, or the detach keys are typed; then closes the
 * connection. The client's end of input alone ends nothing but stdin, unless it asked for no output.
 * @returns true when the client detached.
 */
export async function serveStdio(
  client: HijackedClient,
  wishes: StdioWishes,
  stdio: Omit<StdioChannel, 'drained'>,
): Promise<boolean> {
  const { stream, sink, finished } = client;
  const stop = new AbortController();
  try {
    if (!wishes.stdin) {
      // Nobody reads what the client sends, but its leaving must be noticed.
      stream.resume();
      await finished;
      return false;
    }
    const pump = pumpStdin(stream, stdio, wishes.tty ? wishes.detachKeys : undefined, stop.signal);
    const how = await Promise.race([pump, finished.then(() => 'closed' as const)]);
    if (how === 'detached') return true;
    if (wishes.stdout || wishes.stderr) await finished;
    return false;
  } finally {
    stop.abort();
    stdio.remove(sink);
    endStream(stream);
  }
}
