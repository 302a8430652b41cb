import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { flatHeaders } from './headers.ts';

/** An answer as plugins see it; without a body when that was streamed, or went over a connection that was taken over. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Buffer | undefined;
}

export interface HeldAnswer {
  /** Lets everything through from now on. */
  release(): void;
  /** To be called when the handler is done: resolves when the answer was asked about. @throws what `ask` throws */
  settled(): Promise<void>;
}

type Chunk = string | Uint8Array | undefined;

/**
 * Holds an answer back until `ask` resolves, when it is given whole by `end`. An answer that is written in pieces goes
 * out as it comes, as what it streams is wanted now; `ask` then hears of it when the handler is done. Where `ask`
 * rejects nothing of a held answer goes out, and its headers are forgotten.
 */
export function holdAnswer(response: ServerResponse, ask: (answer: Answer) => Promise<void>): HeldAnswer {
  const before = new Set(response.getHeaderNames());
  let decided: Promise<void> | undefined;
  // Methods of the object itself, before those of its class: taking them away lets everything through.
  const own = response as { -readonly [Name in keyof ServerResponse]?: unknown };
  const release = (): void => {
    for (const name of ['writeHead', 'write', 'flushHeaders', 'end'] as const) delete own[name];
  };
  const decide = async (chunk: Chunk): Promise<void> => {
    const body = chunk === undefined ? undefined : Buffer.from(chunk as Uint8Array);
    try {
      await ask({ ...headOf(response), body });
    } catch (error) {
      for (const name of response.getHeaderNames()) if (!before.has(name)) response.removeHeader(name);
      throw error;
    }
    response.end(chunk);
  };
  own.writeHead = (status: number, headers: OutgoingHttpHeaders = {}): ServerResponse => {
    response.statusCode = status;
    for (const [name, value] of Object.entries(headers)) if (value !== undefined) response.setHeader(name, value);
    return response;
  };
  own.write = (chunk: string, then?: () => void): boolean => {
    release();
    return then === undefined ? response.write(chunk) : response.write(chunk, then);
  };
  own.flushHeaders = (): void => {
    release();
    response.flushHeaders();
  };
  own.end = (chunk?: Chunk): ServerResponse => {
    release();
    decided = decide(chunk);
    // Whoever waits for it hears of the failure.
    decided.catch(() => undefined);
    return response;
  };
  return {
    release,
    settled() {
      if (decided !== undefined) return decided;
      release();
      return ask(headOf(response));
    },
  };
}

function headOf(response: ServerResponse): Pick<Answer, 'status' | 'headers'> {
  const raw = Object.entries(response.getHeaders()).flatMap(([name, value]) => [name, String(value)]);
  return { status: response.statusCode, headers: flatHeaders(raw) };
}
