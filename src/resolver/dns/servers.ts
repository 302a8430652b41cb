import { messageOf } from '../../base/errors.ts';
import type { ListenAddress } from '../../spec/resolver/control.ts';
import type { NamedSandbox } from '../../spec/resolver/names.ts';
import { closeFd } from '../../sys/ffi/descriptor.ts';
import { Poll, READABLE } from '../../sys/poll/poll.ts';
import { openIdentity } from '../../sys/process/pidfd.ts';
import { closeNameSockets, type NameSockets } from '../../sys/socket/name-sockets.ts';
import { serveHost } from './host-names.ts';
import { NameBook } from './names.ts';
import { NameServer } from './server.ts';

/** A container that names are kept for. */
interface Entry {
  sandbox: NamedSandbox;
  server: NameServer | undefined;
  /** Sockets that wait for the rest to be told. */
  waiting: NameSockets | undefined;
  watch: Disposable | undefined;
  /** Its process is gone: nobody is to find it any more, whatever an engine that knows less says. */
  isOver: boolean;
}

/**
 * All containers with names. Each has its name server from when its sockets come until its process ends, or an engine says
 * so: the sockets would keep the container's network namespace, and its interfaces with it.
 */
export class NameServers {
  readonly #book = new NameBook();
  readonly #entries = new Map<string, Entry>();
  #listening: { readonly at: ListenAddress; readonly server: AsyncDisposable } | undefined;
  /** Called when a container has ended by itself. */
  readonly #onEnd: () => void;
  readonly #listen: () => void;
  /** Containers that an engine has announced, and not told of yet. */
  readonly #announced = new Set<string>();
  /** Those with sockets that came since, and some that have ended meanwhile. */
  readonly #waiting = new Set<Entry>();

  /** `listen` takes in at once what engines have said: called before a name is declared unknown. */
  constructor(onEnd: () => void, listen: () => void) {
    this.#onEnd = onEnd;
    this.#listen = listen;
  }

  /** The host's programs are served. */
  get isListening(): boolean {
    return this.#listening !== undefined;
  }

  /** How many containers there are, ended ones left out. */
  get count(): number {
    return [...this.#entries.values()].filter(({ isOver }) => !isOver).length;
  }

  /**
   * A container that is new, or has changed; with sockets, which are taken over, it is one that starts. Says whether it has
   * a name server then.
   */
  set(sandbox: NamedSandbox, sockets: NameSockets | undefined): boolean {
    const entry = this.#take(sandbox, sockets);
    this.#told(sandbox.container);
    return entry.server !== undefined || entry.waiting !== undefined || entry.isOver;
  }

  #take(sandbox: NamedSandbox, sockets: NameSockets | undefined): Entry {
    const { container } = sandbox;
    const before = this.#entries.get(container);
    if (sockets === undefined && before?.isOver === true) return before;
    if (before !== undefined) this.#book.delete(before.sandbox);
    const entry: Entry = before ?? { sandbox, server: undefined, waiting: undefined, watch: undefined, isOver: false };
    if (sockets !== undefined) {
      dropServer(entry);
      entry.waiting = sockets;
      this.#waiting.add(entry);
      entry.isOver = false;
    }
    const isSameProcess = before?.sandbox.process?.pid === sandbox.process?.pid && before?.watch !== undefined;
    entry.sandbox = sandbox;
    this.#entries.set(container, entry);
    this.#book.add(sandbox);
    if (!isSameProcess) this.#watch(entry);
    if (!entry.isOver) entry.server?.set(sandbox);
    return entry;
  }

  /** Serves the host's programs at an address, or nowhere any more; says why it cannot. */
  async listen(at: ListenAddress | undefined): Promise<{ problem?: string }> {
    if (JSON.stringify(at) === JSON.stringify(this.#listening?.at)) return {};
    await this.#listening?.server[Symbol.asyncDispose]();
    this.#listening = undefined;
    if (at === undefined) return {};
    try {
      this.#listening = { at, server: await serveHost(this.#book, at) };
      return {};
    } catch (error) {
      return { problem: messageOf(error) };
    }
  }

  forget(container: string): void {
    this.#told(container);
    const entry = this.#entries.get(container);
    if (entry === undefined) return;
    this.#entries.delete(container);
    this.#end(entry);
  }

  /**
   * An engine is about to tell of these; all others are forgotten. Who comes new is answered when all of them are known, so
   * that nobody hears that a neighbour does not exist.
   */
  announce(containers: readonly string[]): void {
    this.#announced.clear();
    for (const container of containers) this.#announced.add(container);
    const others = [...this.#entries.keys()].filter((container) => !this.#announced.has(container));
    for (const container of others) this.forget(container);
    this.#openServers();
  }

  /** No engine is there: nothing more will be told, and those that only it knows to have ended, or that never came to run, go. */
  dropOrphans(): void {
    this.#announced.clear();
    this.#openServers();
    for (const [container, { sandbox, isOver }] of this.#entries) {
      if (isOver || sandbox.process === undefined) this.forget(container);
    }
  }

  /** All is known of a container that an engine may have announced. */
  #told(container: string): void {
    this.#announced.delete(container);
    this.#openServers();
  }

  #openServers(): void {
    if (this.#announced.size > 0) return;
    for (const entry of this.#waiting) {
      if (entry.waiting === undefined) continue;
      entry.server = openServer(this.#book, entry.sandbox, entry.waiting, this.#listen);
      entry.waiting = undefined;
    }
    this.#waiting.clear();
  }

  #watch(entry: Entry): void {
    entry.watch?.[Symbol.dispose]();
    entry.watch = undefined;
    const { process } = entry.sandbox;
    if (process === undefined) return;
    const over = (): void => {
      this.#end(entry);
      this.#onEnd();
    };
    const pidfd = openIdentity(process);
    if (pidfd === undefined) return over();
    const poll = new Poll(pidfd, READABLE, over);
    entry.watch = {
      [Symbol.dispose]() {
        poll.close();
        closeFd(pidfd);
      },
    };
  }

  #end(entry: Entry): void {
    if (!entry.isOver) this.#book.delete(entry.sandbox);
    entry.isOver = true;
    entry.watch?.[Symbol.dispose]();
    entry.watch = undefined;
    dropServer(entry);
  }
}

function dropServer(entry: Entry): void {
  entry.server?.close();
  entry.server = undefined;
  if (entry.waiting !== undefined) closeNameSockets(entry.waiting);
  entry.waiting = undefined;
}

/** Without a server the engine makes sockets anew. */
function openServer(
  book: NameBook,
  sandbox: NamedSandbox,
  sockets: NameSockets,
  listen: () => void,
): NameServer | undefined {
  try {
    return new NameServer(book, sandbox, sockets, listen);
  } catch {
    closeNameSockets(sockets);
    return undefined;
  }
}
