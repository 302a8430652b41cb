import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { EngineError, messageOf } from '../../base/errors.ts';
import type { ByteStream } from '../../base/stream.ts';
import { leaveToLibuv } from './spawn.ts';

/** Characters kept of what the program complains. */
const mostComplaint = 500;

export interface FilterRequest {
  /** Absolute path of the program. */
  readonly path: string;
  readonly args: readonly string[];
  readonly signal?: AbortSignal;
}

/** The program said why it failed, or how it ended. */
export class FilterError extends Error {
  override readonly name = 'FilterError';
}

/**
 * The output of a program that reads `source` as its input, a few pipes ahead of the reader at most; it has no
 * environment. Whoever stops reading ends the program. Not posix_spawn, as elsewhere: libuv lets go of such a child when
 * its thread is ended in the middle, and then the program ends by its closed pipes.
 * @throws FilterError; the source's own error; EngineError `cancelled`; a system error when it cannot be started
 */
export async function* filterThrough(
  source: ByteStream,
  { path, args, signal }: FilterRequest,
): AsyncGenerator<Uint8Array, void, undefined> {
  const child = spawn(path, args, { stdio: 'pipe', env: {}, cwd: '/' });
  leaveToLibuv(child);
  const { stdin, stdout } = child;
  const ended = endOf(child);
  ended.catch(() => undefined);
  const complaint = readComplaint(child.stderr);
  const feeding = feed(stdin, source).catch((error: unknown) => {
    // A program that fails stops reading: what it says counts then.
    if (!isBrokenPipe(error)) stdout.destroy(error instanceof Error ? error : new Error(messageOf(error)));
  });
  const abort = (): unknown => stdout.destroy(new EngineError('cancelled', `${path} was cancelled`));
  signal?.addEventListener('abort', abort, { once: true });
  if (signal?.aborted === true) abort();
  try {
    for await (const chunk of stdout) yield chunk as Buffer;
    const how = await ended;
    if (how !== undefined) throw new FilterError((await complaint) || how);
    await feeding;
  } finally {
    signal?.removeEventListener('abort', abort);
    child.kill('SIGKILL');
    stdin.destroy();
    stdout.destroy();
    await Promise.allSettled([ended]);
  }
}

/** Undefined for success. @throws when it could not be started */
async function endOf(child: ChildProcessByStdio<Writable, Readable, Readable>): Promise<string | undefined> {
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
  if (code === 0) return undefined;
  return code === null ? `it was ended by ${signal}` : `it ended with ${code}`;
}

async function feed(input: Writable, source: ByteStream): Promise<void> {
  const gone = finished(input, { readable: false });
  gone.catch(() => undefined);
  for await (const chunk of source) {
    if (!input.write(chunk)) await Promise.race([once(input, 'drain'), gone]);
    if (input.destroyed) break;
  }
  input.end();
  await gone;
}

async function readComplaint(errors: Readable): Promise<string> {
  let text = '';
  try {
    for await (const chunk of errors) text = (text + (chunk as Buffer).toString('latin1')).slice(0, mostComplaint);
  } catch {
    // The program is gone: what it said so far is all.
  }
  return text.trim();
}

const isBrokenPipe = (error: unknown): boolean => {
  const { code } = error as { code?: unknown };
  return code === 'EPIPE' || code === 'ECONNRESET' || code === 'ERR_STREAM_PREMATURE_CLOSE';
};
