import type { Logger } from '../../base/log.ts';
import type { ListenAddress, ResolverAnswer } from '../../spec/resolver/control.ts';
import type { NamedSandbox } from '../../spec/resolver/names.ts';
import { type ProxiedPort, proxiedPortKey } from '../../spec/resolver/proxy.ts';
import { closeNameSockets, type NameSockets } from '../../sys/socket/name-sockets.ts';
import { ResolverLink, type Statement } from './link.ts';

/**
 * What the resolver process is to do: it answers for names and proxies ports. It is started with the first thing to do, told
 * what changes, and found again by its socket after a restart of the engine. Failures are logged: a port that cannot be
 * proxied is still published by the firewall.
 */
export class ResolverProcess {
  readonly #link: ResolverLink;
  readonly #log: Logger;
  readonly #listen: ListenAddress | undefined;
  readonly #ports = new Map<string, ProxiedPort>();
  readonly #sandboxes = new Map<string, NamedSandbox>();
  /** Sockets that wait for a process to take them. */
  readonly #sockets = new Map<string, NameSockets>();
  #restored = false;
  /** Called for a container whose name server has no sockets: they are to come by `serve`. */
  onLacking: (container: string) => void = () => undefined;

  /** `socketPath` lies in a folder that is the engine's alone; at `listen` the host's programs ask. */
  constructor(socketPath: string, log: Logger, listen?: ListenAddress) {
    this.#log = log;
    this.#listen = listen;
    this.#link = new ResolverLink({
      socketPath,
      log,
      hasWork: () => this.#ports.size > 0 || this.#sandboxes.size > 0 || this.#listen !== undefined,
      begin: () => beginning(this.#sandboxes),
      onConnected: () => this.#tellEverything(),
      onAnswer: (answer) => this.#answered(answer),
    });
  }

  /** Replaces what is proxied. Returns at once; `settled` waits. */
  set(ports: readonly ProxiedPort[]): void {
    this.#ports.clear();
    for (const port of ports) this.#ports.set(proxiedPortKey(port), port);
    this.#tell({ do: 'ports', ports });
  }

  /** Some are proxied no more, and some are now; returns at once. */
  change(remove: readonly ProxiedPort[], add: readonly ProxiedPort[]): void {
    for (const port of remove) this.#ports.delete(proxiedPortKey(port));
    for (const port of add) this.#ports.set(proxiedPortKey(port), port);
    this.#tell({ do: 'change-ports', remove, add });
  }

  /** A container, new or changed, as everybody finds it from now on; `sockets`, when it starts, are taken over. */
  serve(sandbox: NamedSandbox, sockets?: NameSockets): void {
    const { container } = sandbox;
    this.#sandboxes.set(container, sandbox);
    if (sockets !== undefined) {
      this.#dropSockets(container);
      this.#sockets.set(container, sockets);
    }
    if (this.#link.isConnected) this.#tellSandbox(sandbox);
    else if (this.#restored) this.#link.connect();
  }

  /** A container that has no names any more. */
  forget(container: string): void {
    this.#dropSockets(container);
    if (this.#sandboxes.delete(container)) this.#tell({ do: 'forget', container });
  }

  /**
   * At boot, when all that runs is known: finds the process of the engine before, or starts one when there is need. Before
   * that nothing is said: the process would take what it is not told of for gone.
   */
  restored(): void {
    this.#restored = true;
    this.#link.connect();
  }

  /** Resolves when the process does what it was told, or failed to. */
  settled(): Promise<void> {
    return this.#link.settled();
  }

  /** Lets go of the process; it stays when it has something to do, else its end is waited for. */
  async close(): Promise<void> {
    await this.#link.close();
    for (const container of this.#sockets.keys()) this.#dropSockets(container);
  }

  /** What is said while there is no connection is part of everything that is told to the next one. */
  #tell(statement: Statement): void {
    if (this.#link.isConnected) this.#link.say(statement);
    else if (this.#restored) this.#link.connect();
  }

  #tellEverything(): void {
    // Again: some may have come or gone since the process was greeted.
    this.#link.say(beginning(this.#sandboxes));
    this.#link.say({ do: 'ports', ports: [...this.#ports.values()] });
    this.#link.say({ do: 'listen', at: this.#listen });
    for (const sandbox of this.#sandboxes.values()) this.#tellSandbox(sandbox);
  }

  #tellSandbox(sandbox: NamedSandbox): void {
    const sockets = this.#sockets.get(sandbox.container);
    this.#sockets.delete(sandbox.container);
    const descriptors = sockets === undefined ? [] : [sockets.udp, sockets.tcp];
    this.#link.say({ do: 'container', sandbox, sockets: sockets !== undefined }, descriptors);
  }

  #answered({ failures, problem, lacking }: ResolverAnswer): void {
    if (problem !== undefined)
      this.#log.error('programs of the host cannot ask for names of containers', { reason: problem });
    for (const { port, reason } of failures ?? []) this.#log.warn('a port is not proxied', { ...port, reason });
    if (lacking !== undefined) this.onLacking(lacking);
  }

  #dropSockets(container: string): void {
    const sockets = this.#sockets.get(container);
    this.#sockets.delete(container);
    if (sockets !== undefined) closeNameSockets(sockets);
  }
}

const beginning = (sandboxes: ReadonlyMap<string, unknown>): Statement => ({
  do: 'begin',
  containers: [...sandboxes.keys()],
});
