import { mkdtemp, rm } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { Latch } from '../base/async.ts';
import { EngineError, notFound } from '../base/errors.ts';
import { createLogger } from '../base/log.ts';
import type { StdioChannel, StdioSink } from '../spec/contract/launch.ts';
import type { LogBatch } from '../spec/contract/logs.ts';
import type { ContainerInspect, CreateContainerRequest, WaitResult } from '../spec/engine/container.ts';
import type { JournalEvent } from '../spec/engine/event.ts';
import type { ExecInspect } from '../spec/engine/exec.ts';
import type { StatsView } from '../spec/engine/stats.ts';
import { maxApiVersion } from './versions.ts';
import type { VersionView } from '../spec/engine/system.ts';
import { createApiServer } from './server.ts';
import type { ApiServices } from './services.ts';

/** Stdio that a test looks into: what the client typed, and output that the test makes. */
export class FakeStdio implements StdioChannel {
  readonly sinks = new Set<StdioSink>();
  readonly drained = Promise.resolve();
  readonly stdinClosed = new Latch();
  readonly sizes: [number, number][] = [];
  stdin = '';
  /** Called with every piece of stdin. */
  onStdin: (text: string) => void | Promise<void> = () => undefined;

  add(sink: StdioSink): void {
    this.sinks.add(sink);
  }
  remove(sink: StdioSink): void {
    this.sinks.delete(sink);
  }
  async write(bytes: Uint8Array): Promise<void> {
    const text = Buffer.from(bytes).toString();
    this.stdin += text;
    await this.onStdin(text);
  }
  closeStdin(): void {
    this.stdinClosed.set();
  }
  resize(rows: number, columns: number): Promise<void> {
    this.sizes.push([rows, columns]);
    return Promise.resolve();
  }
  print(stream: 1 | 2, output: string | Uint8Array): void {
    const bytes: Uint8Array = typeof output === 'string' ? new TextEncoder().encode(output) : output;
    for (const sink of this.sinks) sink.write(stream, bytes);
  }
  end(): void {
    for (const sink of this.sinks) sink.end();
  }
}

/** One container, and a record of what was asked of it. */
export class FakeContainer {
  readonly id = 'c'.repeat(64);
  readonly stdio = new FakeStdio();
  readonly exit = new Latch<WaitResult>();
  readonly calls: string[] = [];
  tty = false;
  request: CreateContainerRequest | undefined;
  logEntries: readonly FakeLogEntry[] = [];
  /** What the container does when it is started. */
  run: () => void = () => this.finish(0);

  finish(statusCode: number): void {
    this.stdio.end();
    this.exit.set({ statusCode });
  }
}

/** Throws for everything that a test did not give an answer to. */
const unanswered = <T extends object>(answers: Partial<T>): T =>
  new Proxy(answers, {
    get: (target, key) =>
      (target as Record<string | symbol, unknown>)[key] ??
      (() => Promise.reject(new EngineError('internal', `the test has no answer for ${String(key)}`))),
  }) as T;

export function fakeServices(container: FakeContainer, answers: Partial<ApiServices> = {}): ApiServices {
  return {
    system: unanswered<ApiServices['system']>({
      version: () =>
        ({
          Version: '0.1',
          ApiVersion: maxApiVersion,
          Os: 'linux',
          Arch: 'amd64',
          Components: [],
        }) as unknown as VersionView,
    }),
    events: answers.events ?? { subscribe: () => fakeEvents([]) },
    containers: fakeContainerService(container),
    execs: fakeExecService(container),
    images: unanswered<ApiServices['images']>(answers.images ?? {}),
    volumes: unanswered<ApiServices['volumes']>(answers.volumes ?? {}),
    networks: unanswered<ApiServices['networks']>(answers.networks ?? {}),
    builds: unanswered<ApiServices['builds']>(answers.builds ?? {}),
  };
}

export async function* fakeEvents(events: readonly JournalEvent[]): AsyncGenerator<JournalEvent> {
  yield* events;
}

function fakeContainerService(container: FakeContainer): ApiServices['containers'] {
  const find = (name: string): FakeContainer => {
    if (name !== 'web' && !container.id.startsWith(name)) throw notFound(`No such container: ${name}`);
    return container;
  };
  return unanswered<ApiServices['containers']>({
    list: () => Promise.resolve([]),
    create(request) {
      container.request = request;
      return Promise.resolve({ id: container.id, warnings: [] });
    },
    async inspect(name) {
      const { id, tty } = find(name);
      const view = { Id: id, Config: { Tty: tty, OpenStdin: true }, State: { Running: true }, NetworkSettings: {} };
      return view as unknown as ContainerInspect;
    },
    async start(name) {
      find(name).run();
    },
    async stop(name, options) {
      find(name).calls.push(`stop ${JSON.stringify(options)}`);
      throw new EngineError('not-modified', 'Container already stopped');
    },
    async kill(name, signal) {
      find(name).calls.push(`kill ${signal}`);
    },
    async wait(name, condition, signal) {
      find(name).calls.push(`wait ${condition}`);
      return { result: container.exit.wait(signal) };
    },
    async remove(name, options) {
      find(name).calls.push(`remove ${JSON.stringify(options)}`);
    },
    async attach(name) {
      const { tty, stdio, calls } = find(name);
      return { tty, openStdin: true, stdio, detached: () => void calls.push('detached') };
    },
    async logs(name, options) {
      find(name).calls.push(`logs ${options.tail} ${options.follow} ${options.sinceNs}`);
      return { tty: container.tty, batches: fakeLog(container.logEntries), attributes: new Map([['a', 'b c']]) };
    },
    async clearLogs(name) {
      find(name).calls.push('clearLogs');
    },
    async stats(name, { stream, oneShot }) {
      find(name).calls.push(`stats ${stream} ${oneShot}`);
      return fakeStats();
    },
    async resize(name, rows, columns) {
      await find(name).stdio.resize(rows, columns);
    },
  });
}

export interface FakeLogEntry {
  readonly stream: 1 | 2;
  readonly time: string;
  readonly bytes: Buffer;
}

async function* fakeLog(entries: readonly FakeLogEntry[]): AsyncGenerator<LogBatch> {
  const lengths = entries.map(({ bytes }) => bytes.length);
  const ends = lengths.map((_, index) => lengths.slice(0, index + 1).reduce((sum, length) => sum + length, 0));
  yield {
    count: entries.length,
    block: Buffer.concat(entries.map(({ bytes }) => bytes)),
    starts: Uint32Array.from(ends.map((end, index) => end - (lengths[index] ?? 0))),
    ends: Uint32Array.from(ends),
    kinds: Uint8Array.from(entries.map(({ stream }) => stream)),
    timeNs: () => 0n,
    copyTime: (index, target, at) => at + target.write(entries[index]?.time ?? '', at),
  };
}

async function* fakeStats(): AsyncGenerator<StatsView> {
  yield { id: 'c', name: '/web' } as StatsView;
}

function fakeExecService(container: FakeContainer): ApiServices['execs'] {
  return unanswered<ApiServices['execs']>({
    create: () => Promise.resolve('e'.repeat(64)),
    async startable(id) {
      if (!id.startsWith('e')) throw notFound(`No such exec instance: ${id}`);
      return { tty: container.tty, openStdin: true, detachKeys: undefined };
    },
    async start(_id, { sinks }) {
      for (const sink of sinks) container.stdio.add(sink);
      container.run();
      return { stdio: container.stdio };
    },
    inspect: () => Promise.resolve({ ID: 'e', Running: false, ExitCode: 7, Pid: 0 } as ExecInspect),
    resize: (_id, rows, columns) => container.stdio.resize(rows, columns),
  });
}

/** A server over `services` in a directory of its own, gone with the test. */
export async function serve(t: TestContext, services: ApiServices): Promise<{ path: string; logged: string[] }> {
  const directory = await mkdtemp(join(tmpdir(), 'api-'));
  const path = join(directory, 'engine.sock');
  const logged: string[] = [];
  const server = createApiServer(services, { log: createLogger('info', (line) => logged.push(line)), version: '0.0' });
  await server.listen(path, { group: 'no-such-group' });
  t.after(async () => {
    await server.close();
    await rm(directory, { recursive: true });
  });
  return { path, logged };
}

/** A raw connection: `text` is what came so far. */
export class RawClient {
  readonly socket: net.Socket;
  readonly ended: Promise<void>;
  #bytes = Buffer.alloc(0);
  #changed = Promise.withResolvers<void>();

  constructor(path: string) {
    this.socket = net.connect({ path, allowHalfOpen: true });
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    this.socket.on('data', (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
      this.#changed.resolve();
      this.#changed = Promise.withResolvers<void>();
    });
    for (const event of ['end', 'close', 'error']) {
      this.socket.on(event, () => {
        resolve();
        this.#changed.resolve();
      });
    }
  }

  get text(): string {
    return this.#bytes.toString('latin1');
  }

  send(text: string): this {
    this.socket.write(text);
    return this;
  }

  request(method: string, url: string, headers: readonly string[] = [], body = ''): this {
    const length = body === '' ? [] : [`Content-Length: ${Buffer.byteLength(body)}`];
    return this.send([`${method} ${url} HTTP/1.1`, 'Host: engine', ...headers, ...length, '', body].join('\r\n'));
  }

  /** Resolves when `wanted` has come. @throws when the connection ends before. */
  async expect(wanted: string): Promise<void> {
    while (!this.text.includes(wanted)) {
      if (this.socket.readableEnded || this.socket.destroyed) {
        throw new Error(`ended without ${JSON.stringify(wanted)}: ${JSON.stringify(this.text)}`);
      }
      await this.#changed.promise;
    }
  }
}
