import { EngineError, messageOf } from '../../base/errors.ts';
import { accessOf } from './access.ts';
import type { PortProtocol, PortRequest, PublishedPort } from './binding.ts';

/** The host's own ports, as `sys/socket/port.ts` holds them. */
export interface HostPorts {
  /**
   * Takes a port, so that no other program can; `dispose` lets it go. Undefined when the host has no such kind of
   * address. @throws an error with the code `EADDRINUSE`, `EADDRNOTAVAIL` or `EACCES`.
   */
  hold(protocol: PortProtocol, hostIp: string, port: number): Disposable | undefined;
  /** The ports that the system gives to programs which don't care, first and last. */
  ephemeralRange(): readonly [number, number];
}

interface Taken {
  readonly hostIp: string;
  readonly hold: Disposable | undefined;
}

const isAny = (hostIp: string): boolean => hostIp === '0.0.0.0' || hostIp === '::';
const isIpv6 = (hostIp: string): boolean => hostIp.includes(':');

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
   * Takes one port, on each of the addresses. `target` is the container's side for error messages (`172.17.0.2:80/tcp`).
   * @throws EngineError `conflict` as Docker words it, when the port, or every port of the range, is in use.
   */
  allocate(request: PortRequest, target: string): PublishedPort[] {
    const { hostPorts } = request;
    if (hostPorts !== undefined && hostPorts[0] === hostPorts[1]) return this.#takeAll(request, hostPorts[0], target);
    for (const hostPort of hostPorts === undefined ? this.#freePorts() : portsOf(hostPorts)) {
      try {
        return this.#takeAll(request, hostPort, target);
      } catch (error) {
        if (!(error instanceof EngineError) || error.code !== 'conflict') throw error;
      }
    }
    const range = hostPorts === undefined ? '0' : hostPorts.join('-');
    throw new EngineError(
      'conflict',
      `Bind for ${nameOf(request.hostIps[0])}:${range} failed: all ports are allocated`,
    );
  }

  /** Takes a port that is known to be a container's (after a restart). False when another program holds it by now. */
  claim({ protocol, hostIp, hostPort }: PublishedPort): boolean {
    let hold: Disposable | undefined;
    let isFree = true;
    try {
      hold = this.#host.hold(protocol, hostIp, hostPort);
    } catch (error) {
      if (!Object.hasOwn(reasons, codeOf(error))) throw error;
      isFree = false;
    }
    this.#remember(protocol, hostPort, { hostIp, hold });
    return isFree;
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

  /** Lets all ports go, as the end of the process would. */
  [Symbol.dispose](): void {
    for (const owners of this.#taken.values()) for (const { hold } of owners) hold?.[Symbol.dispose]();
    this.#taken.clear();
  }

  /** Every port of the system's range once, from where the last search ended. */
  *#freePorts(): Generator<number> {
    const [first, last] = this.#host.ephemeralRange();
    const count = last - first + 1;
    for (let tried = 0; tried < count; tried++) {
      const hostPort = first + (this.#cursor % count);
      this.#cursor = (this.#cursor + 1) % count;
      yield hostPort;
    }
  }

  /** All addresses or none. */
  #takeAll(request: PortRequest, hostPort: number, target: string): PublishedPort[] {
    const { port, protocol, hostIps } = request;
    const taken: PublishedPort[] = [];
    try {
      for (const hostIp of hostIps) {
        if (this.#take(protocol, hostIp, hostPort, target)) {
          taken.push({ port, protocol, hostIp, hostPort, ...accessOf(request) });
        }
      }
      return taken;
    } catch (error) {
      for (const published of taken) this.release(published);
      throw error;
    }
  }

  /** False when the host has no such kind of address. */
  #take(protocol: PortProtocol, hostIp: string, hostPort: number, target: string): boolean {
    const owners = this.#taken.get(keyOf(protocol, hostPort)) ?? [];
    const clashes = (other: string): boolean =>
      isIpv6(other) === isIpv6(hostIp) && (other === hostIp || isAny(other) || isAny(hostIp));
    const owner = owners.find((one) => clashes(one.hostIp));
    if (owner !== undefined) {
      // The address that has it, as it is, in IPv6 too: Docker's words.
      throw new EngineError('conflict', `Bind for ${owner.hostIp}:${hostPort} failed: port is already allocated`);
    }
    try {
      const hold = this.#host.hold(protocol, hostIp, hostPort);
      if (hold === undefined) return false;
      this.#remember(protocol, hostPort, { hostIp, hold });
      return true;
    } catch (error) {
      const reason = reasons[codeOf(error)] ?? messageOf(error);
      const what = `failed to bind host port for ${nameOf(hostIp)}:${hostPort}:${target}: ${reason}`;
      throw new EngineError('conflict', what, { cause: error });
    }
  }

  #remember(protocol: PortProtocol, hostPort: number, taken: Taken): void {
    const key = keyOf(protocol, hostPort);
    const owners = this.#taken.get(key);
    if (owners === undefined) this.#taken.set(key, [taken]);
    else owners.push(taken);
  }
}

const nameOf = (hostIp = ''): string => (isIpv6(hostIp) ? `[${hostIp}]` : hostIp);

function* portsOf([first, last]: readonly [number, number]): Generator<number> {
  for (let port = first; port <= last; port++) yield port;
}

const keyOf = (protocol: PortProtocol, hostPort: number): string => `${hostPort}/${protocol}`;

const codeOf = (error: unknown): string => String((error as { code?: unknown }).code);
const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: 'address already in use',
  EADDRNOTAVAIL: 'cannot assign requested address',
  EACCES: 'permission denied',
};
