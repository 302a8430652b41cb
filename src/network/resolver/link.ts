import { fileURLToPath } from 'node:url';
import { delay } from '../../base/async.ts';
import { EngineError, messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { ResolverAnswer, ResolverStatement } from '../../spec/resolver/control.ts';
import { spawn } from '../../sys/process/spawn.ts';
import type { LineSocket } from '../../sys/socket/line-socket.ts';
import { greetResolver } from './greeting.ts';

/** A new process needs some 100 ms until it listens, much more on a busy machine; nobody waits for it. */
const connectTries = 1200;
const connectDelayMs = 25;
/** After an unexpected end: often it has just begun to work. */
const restartDelayMs = 100;

/** The program, beside this file's bundle or among the sources. */
const program = fileURLToPath(
  new URL(
    import.meta.url.endsWith('.ts') ? '../../resolver/resolver.worker.ts' : './resolver.worker.js',
    import.meta.url,
  ),
);

/** What is left out of a statement until it is numbered. */
export type Statement = ResolverStatement extends infer One
  ? One extends unknown
    ? Omit<One, 'number'>
    : never
  : never;

export interface ResolverLinkOptions {
  /** Lies in a folder that is the engine's alone. */
  readonly socketPath: string;
  readonly log: Logger;
  /** There is something to do for the process: without that none is started. */
  readonly hasWork: () => boolean;
  /** The containers that there are, said first. */
  readonly begin: () => Statement;
  /** A process is there, new or found again, and knows nothing yet but these. */
  readonly onConnected: () => void;
  readonly onAnswer: (answer: ResolverAnswer) => void;
}

/** The connection to the resolver process, which is started when it is needed, and again when it ends meanwhile. */
export class ResolverLink {
  readonly #options: ResolverLinkOptions;
  #connection: LineSocket | undefined;
  #connecting: Promise<void> | undefined;
  #numbered = 0;
  #unanswered = 0;
  #quiet = Promise.withResolvers<void>();
  #closed = false;
  readonly #lost = Promise.withResolvers<void>();

  constructor(options: ResolverLinkOptions) {
    this.#options = options;
    this.#quiet.resolve();
  }

  get isConnected(): boolean {
    return this.#connection !== undefined;
  }

  /** Finds or starts the process; `onConnected` follows when there is one. */
  connect(): void {
    if (this.#closed || this.isConnected) return;
    this.#connecting ??= this.#open()
      .catch((error: unknown) => {
        this.#options.log.warn('the resolver process does not work', { reason: messageOf(error) });
      })
      .finally(() => {
        this.#connecting = undefined;
      });
  }

  /** The descriptors are the link's from now on; without a connection they are closed, and nothing is said. */
  say(statement: Statement, descriptors: readonly number[] = []): void {
    this.#numbered++;
    if (this.#unanswered++ === 0) this.#quiet = Promise.withResolvers<void>();
    this.#connection?.send(JSON.stringify({ ...statement, number: this.#numbered }), descriptors);
  }

  /** Resolves when everything that was said is answered, or the process is gone. */
  async settled(): Promise<void> {
    await this.#connecting;
    await this.#quiet.promise;
  }

  /** Lets go of the process; it stays when it has something to do, else its end is waited for. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.settled();
    if (this.isConnected && !this.#options.hasWork()) {
      this.say({ do: 'leave' });
      await Promise.race([this.#lost.promise, this.settled()]);
    }
    this.#connection?.close();
    this.#connection = undefined;
  }

  async #open(): Promise<void> {
    let connection = await this.#greet();
    // Without a process there is nothing to withdraw.
    if (connection === undefined && this.#options.hasWork()) {
      spawnResolver(this.#options.socketPath);
      for (let tries = 0; connection === undefined && tries < connectTries && !this.#closed; tries++) {
        await delay(connectDelayMs);
        connection = await this.#greet();
      }
      if (connection === undefined) throw new EngineError('unavailable', 'the resolver process did not start');
    }
    this.#connection = connection;
    if (connection !== undefined) this.#options.onConnected();
  }

  #greet(): Promise<LineSocket | undefined> {
    const listener = {
      line: (text: string) => this.#answered(JSON.parse(text) as ResolverAnswer),
      ended: () => this.#ended(),
    };
    return greetResolver({ ...this.#options, listener });
  }

  #answered(answer: ResolverAnswer): void {
    if (--this.#unanswered === 0) this.#quiet.resolve();
    this.#options.onAnswer(answer);
  }

  #ended(): void {
    this.#connection = undefined;
    this.#unanswered = 0;
    this.#quiet.resolve();
    this.#lost.resolve();
    if (this.#closed || !this.#options.hasWork()) return;
    this.#options.log.warn('the resolver process ended; it is started again');
    setTimeout(() => this.connect(), restartDelayMs).unref();
  }
}

function spawnResolver(socketPath: string): void {
  const heap = ['--max-old-space-size=64', '--max-semi-space-size=1', '--disable-warning=ExperimentalWarning'];
  const argv = [process.execPath, ...heap, program, socketPath];
  spawn({ path: process.execPath, argv, env: [], cwd: '/', newSession: true }, { unref: true });
}
