import { connect, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { delay } from '../../base/async.ts';
import { EngineError, messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { lineReader, type ProxiedPort, type ProxyAnswer, type ProxyStatement } from '../../spec/resolver/proxy.ts';
import { spawn } from '../../sys/process/spawn.ts';

/** A new process needs some 100 ms until it listens, much more on a busy machine; nobody waits for it. */
const connectTries = 600;
const connectDelayMs = 50;
/** After an unexpected end. */
const restartDelayMs = 1000;
const longestAnswer = 8 << 20;

/** The program, beside this file's bundle or among the sources. */
const program = fileURLToPath(
  new URL(
    import.meta.url.endsWith('.ts') ? '../../resolver/resolver.worker.ts' : './resolver.worker.js',
    import.meta.url,
  ),
);

/**
 * The engine's side of the proxy process: it is started with the first port, told everything anew with each change, and
 * found again by its socket after a restart of the engine. Failures are logged: a port that cannot be proxied is
 * still published by the firewall.
 */
export class ProxyProcess {
  readonly #socketPath: string;
  readonly #log: Logger;
  #wanted: readonly ProxiedPort[] = [];
  #said = false;
  #closed = false;
  #connection: Socket | undefined;
  #work: Promise<void> | undefined;

  /** `socketPath` lies in a folder that is the engine's alone. */
  constructor(socketPath: string, log: Logger) {
    this.#socketPath = socketPath;
    this.#log = log;
  }

  /** Replaces what is proxied. Returns at once; `settled` waits. */
  set(ports: readonly ProxiedPort[]): void {
    this.#wanted = ports;
    this.#said = false;
    this.#work ??= this.#tell().finally(() => {
      this.#work = undefined;
    });
  }

  /** Resolves when the process does what it was told, or failed to. */
  async settled(): Promise<void> {
    await this.#work;
  }

  /** Lets go of the process; it stays when it has something to proxy, else its end is waited for. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#work;
    const connection = this.#connection;
    if (connection === undefined) return;
    const gone = new Promise((resolve) => connection.once('close', resolve));
    connection.end();
    await gone;
  }

  async #tell(): Promise<void> {
    try {
      while (!this.#said) {
        const connection = (this.#connection ??= await this.#open());
        // Without a process there is nothing to withdraw.
        if (connection === undefined) return;
        this.#said = true;
        const { failures } = await ask(connection, { ports: this.#wanted });
        for (const { port, reason } of failures) this.#log.warn('a port is not proxied', { ...port, reason });
      }
    } catch (error) {
      this.#connection = undefined;
      this.#log.warn('the proxy process does not work', { reason: messageOf(error) });
    }
  }

  /** The running process, or a new one; undefined when there is none and nothing for it to do. */
  async #open(): Promise<Socket | undefined> {
    let socket = await tryConnect(this.#socketPath);
    if (socket === undefined && this.#wanted.length > 0) {
      this.#spawn();
      for (let tries = 0; socket === undefined && tries < connectTries && !this.#closed; tries++) {
        await delay(connectDelayMs);
        socket = await tryConnect(this.#socketPath);
      }
      if (socket === undefined) throw new EngineError('unavailable', 'the proxy process did not start');
    }
    socket?.unref();
    socket?.on('error', () => undefined);
    socket?.once('close', () => this.#lost());
    return socket;
  }

  #spawn(): void {
    const heap = ['--max-old-space-size=64', '--max-semi-space-size=1', '--disable-warning=ExperimentalWarning'];
    const argv = [process.execPath, ...heap, program, this.#socketPath];
    spawn({ path: process.execPath, argv, env: [], cwd: '/', newSession: true }, { unref: true });
  }

  #lost(): void {
    this.#connection = undefined;
    if (this.#closed || this.#wanted.length === 0) return;
    this.#log.warn('the proxy process ended; it is started again');
    setTimeout(() => this.set(this.#wanted), restartDelayMs).unref();
  }
}

function tryConnect(path: string): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => resolve(socket));
    socket.once('error', () => resolve(undefined));
  });
}

/** Says it and waits for the answer, on a connection that carries nothing else. */
function ask(connection: Socket, statement: ProxyStatement): Promise<ProxyAnswer> {
  return new Promise((resolve, reject) => {
    const onData = lineReader(longestAnswer, (line) => {
      settle();
      resolve(JSON.parse(line) as ProxyAnswer);
    });
    const onClose = () => {
      settle();
      reject(new EngineError('unavailable', 'the proxy process ended'));
    };
    const settle = () => {
      connection.off('data', onData);
      connection.off('close', onClose);
    };
    connection.setEncoding('utf8').on('data', onData).once('close', onClose);
    connection.write(`${JSON.stringify(statement)}\n`);
  });
}
