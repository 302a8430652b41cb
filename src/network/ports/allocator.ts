import { EngineError } from '../../base/errors.ts';
import type { PortProtocol, PortRequest, PublishedPort } from './binding.ts';

/** The host's own ports, as `sys/socket/port.ts` holds them. */
export interface HostPorts {
  /**
   * Takes a port, so that no other program can; `dispose` lets it go. @throws an error with the code `EADDRINUSE`,
   * `EADDRNOTAVAIL` or `EACCES`.
   */
  hold(protocol: PortProtocol, hostIp: string, port: number): Disposable;
  /** The ports that the system gives to programs which don't care, first and last. */
  ephemeralRange(): readonly [number, number];
}

interface Taken {
  readonly hostIp: string;
  readonly hold: Disposable | undefined;
}

const anyAddress = '0.0.0.0';

/** Who has which host port: one owner for each protocol, port and address; 0.0.0.0 stands for all addresses. */
export class PortAllocator {
  readonly #host: HostPorts;
  readonly #taken = new Map<string, Taken[]>();
  /** Where the search for a free port goes on, so that a port is not given out again at once. */
  #cursor = 0;

  constructor(host: HostPorts) {
    this.#host = host;
  }

  /**
   * Takes one port. `target` is the container's side for error messages (`172.17.0.2:80/tcp`).
   * @throws EngineError `conflict` as Docker words it, when the port, or every port of the range, is in use.
   */
  allocate(request: PortRequest, target: string): PublishedPort {
    const { port, protocol, hostIp, hostPorts } = request;
    const taken = (hostPort: number): PublishedPort => ({ port, protocol, hostIp, hostPort });
    if (hostPorts === undefined) return taken(this.#allocateAny(protocol, hostIp));
    const [first, last] = hostPorts;
    if (first === last) {
      this.#take(protocol, hostIp, first, target);
      return taken(first);
    }
    for (let hostPort = first; hostPort <= last; hostPort++) {
      if (this.#isFree(protocol, hostIp, hostPort) && this.#tryTake(protocol, hostIp, hostPort)) return taken(hostPort);
    }
    throw new EngineError('conflict', `Bind for ${hostIp}:${first}-${last} failed: all ports are allocated`);
  }

  /** Takes a port that is known to be a container's (after a restart). False when another program holds it by now. */
  claim({ protocol, hostIp, hostPort }: PublishedPort): boolean {
    if (this.#tryTake(protocol, hostIp, hostPort)) return true;
    this.#remember(protocol, hostPort, { hostIp, hold: undefined });
    return false;
  }

  /** Gives a port back; no error when it was free. */
  release({ protocol, hostIp, hostPort }: PublishedPort): void {
    const key = keyOf(protocol, hostPort);
    const owners = this.#taken.get(key) ?? [];
    const at = owners.findIndex((owner) => owner.hostIp === hostIp);
    if (at < 0) return;
    owners.splice(at, 1)[0]?.hold?.[Symbol.dispose]();
    if (owners.length === 0) this.#taken.delete(key);
  }

  #allocateAny(protocol: PortProtocol, hostIp: string): number {
    const [first, last] = this.#host.ephemeralRange();
    const count = last - first + 1;
    for (let tried = 0; tried < count; tried++) {
      const hostPort = first + (this.#cursor % count);
      this.#cursor = (this.#cursor + 1) % count;
      if (this.#isFree(protocol, hostIp, hostPort) && this.#tryTake(protocol, hostIp, hostPort)) return hostPort;
    }
    throw new EngineError('conflict', `Bind for ${hostIp}:0 failed: all ports are allocated`);
  }

  #isFree(protocol: PortProtocol, hostIp: string, hostPort: number): boolean {
    const owners = this.#taken.get(keyOf(protocol, hostPort)) ?? [];
    return !owners.some((owner) => owner.hostIp === hostIp || owner.hostIp === anyAddress || hostIp === anyAddress);
  }

  #take(protocol: PortProtocol, hostIp: string, hostPort: number, target: string): void {
    if (!this.#isFree(protocol, hostIp, hostPort)) {
      throw new EngineError('conflict', `Bind for ${hostIp}:${hostPort} failed: port is already allocated`);
    }
    try {
      this.#remember(protocol, hostPort, { hostIp, hold: this.#host.hold(protocol, hostIp, hostPort) });
    } catch (error) {
      const reason = reasons[codeOf(error)] ?? String(error);
      const what = `failed to bind host port for ${hostIp}:${hostPort}:${target}: ${reason}`;
      throw new EngineError('conflict', what, { cause: error });
    }
  }

  #tryTake(protocol: PortProtocol, hostIp: string, hostPort: number): boolean {
    try {
      this.#remember(protocol, hostPort, { hostIp, hold: this.#host.hold(protocol, hostIp, hostPort) });
      return true;
    } catch (error) {
      if (Object.hasOwn(reasons, codeOf(error))) return false;
      throw error;
    }
  }

  #remember(protocol: PortProtocol, hostPort: number, taken: Taken): void {
    const key = keyOf(protocol, hostPort);
    const owners = this.#taken.get(key);
    if (owners === undefined) this.#taken.set(key, [taken]);
    else owners.push(taken);
  }
}

const keyOf = (protocol: PortProtocol, hostPort: number): string => `${hostPort}/${protocol}`;

const codeOf = (error: unknown): string => String((error as { code?: unknown }).code);
const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: 'address already in use',
  EADDRNOTAVAIL: 'cannot assign requested address',
  EACCES: 'permission denied',
};
