import { closeSync } from 'node:fs';
import { Socket } from 'node:net';
import { throwIfAborted } from '../../base/async.ts';
import { concatBytes } from '../../base/stream.ts';
import { createPipe } from './pipe.ts';
import { type Child, type ChildExit, spawn, spawnInView } from './spawn.ts';

const SIGKILL = 9;

export interface RunRequest {
  /** Absolute path of the program. */
  readonly path: string;
  readonly argv: readonly string[];
  readonly env: readonly string[];
  readonly cwd?: string;
  /** Mounts that the program shall not see (see `spawnInView`). */
  readonly hidden?: readonly string[];
  readonly input?: Uint8Array;
  /** After so long the program is killed and `timedOut` says so. */
  readonly timeoutMs: number;
  /** Bytes kept of each output; the rest is read and dropped. */
  readonly outputLimit: number;
  /** Kills the program. */
  readonly signal?: AbortSignal;
}

export interface RunResult extends ChildExit {
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  readonly timedOut: boolean;
}

/** Reads a pipe to its end and owns the descriptor; `stop` ends it when a grandchild still holds the other side. */
function collect(fd: number, limit: number): { readonly done: Promise<Buffer>; stop(): void } {
  const { promise, resolve } = Promise.withResolvers<Buffer>();
  const socket = new Socket({ fd, readable: true, writable: false });
  const chunks: Uint8Array[] = [];
  let length = 0;
  socket.on('data', (chunk: Buffer) => {
    const kept = chunk.subarray(0, Math.max(0, limit - length));
    length += kept.length;
    if (kept.length > 0) chunks.push(kept);
  });
  socket.on('error', () => socket.destroy());
  socket.on('close', () => resolve(Buffer.from(concatBytes(chunks, length))));
  return { done: promise, stop: () => void socket.destroy() };
}

function feed(fd: number, input: Uint8Array): void {
  const socket = new Socket({ fd, readable: false, writable: true });
  // A program that does not read its input to the end is no error of ours (EPIPE).
  socket.on('error', () => socket.destroy());
  socket.end(input);
}

/**
 * Runs a program to its end and collects its output. A grandchild that inherited the output does not hold the result
 * up: 100 ms after the program's end the pipes are closed.
 * @throws SystemError when it cannot be started, EngineError `cancelled`.
 */
export async function run(request: RunRequest): Promise<RunResult> {
  throwIfAborted(request.signal);
  const out = createPipe();
  const err = createPipe();
  const input = request.input === undefined ? undefined : createPipe();
  const theirs = [out.write, err.write, ...(input === undefined ? [] : [input.read])];
  const fds: [number, number][] = [
    [out.write, 1],
    [err.write, 2],
  ];
  if (input !== undefined) fds.push([input.read, 0]);
  let child: Child;
  try {
    const { path, argv, env, cwd } = request;
    const wanted = { path, argv, env, fds, ...(cwd === undefined ? {} : { cwd }) };
    const { hidden = [] } = request;
    child = hidden.length === 0 ? spawn(wanted) : await spawnInView(wanted, { hidden });
  } catch (error) {
    for (const fd of [out.read, err.read, ...(input === undefined ? [] : [input.write])]) closeSync(fd);
    throw error;
  } finally {
    for (const fd of theirs) closeSync(fd);
  }
  if (input !== undefined && request.input !== undefined) feed(input.write, request.input);
  const outputs = [collect(out.read, request.outputLimit), collect(err.read, request.outputLimit)];
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    child.signal(SIGKILL);
  }, request.timeoutMs);
  const onAbort = () => void child.signal(SIGKILL);
  request.signal?.addEventListener('abort', onAbort, { once: true });
  const exit = await child.exited;
  clearTimeout(timer);
  request.signal?.removeEventListener('abort', onAbort);
  const closing = setTimeout(() => outputs.forEach((output) => output.stop()), 100);
  const [stdout, stderr] = await Promise.all(outputs.map((output) => output.done));
  clearTimeout(closing);
  throwIfAborted(request.signal);
  return { ...exit, stdout: stdout ?? Buffer.alloc(0), stderr: stderr ?? Buffer.alloc(0), timedOut };
}
