import type { Logger } from '../../base/log.ts';
import type { ProxiedPort } from '../../spec/resolver/proxy.ts';
import { forgetUdpFlows } from '../../sys/netlink/cable.ts';
import { reentryObstacle } from '../firewall/reentry.ts';
import type { Firewall } from '../firewall/firewall.ts';
import type { LinkedPort, Publication } from '../firewall/elements.ts';
import type { FirewallBridge } from '../firewall/table.ts';
import { formatAddress, parseAddress } from '../../base/address.ts';
import type { ResolverProcess } from '../resolver/process.ts';
import { EngineError, invalid } from '../../base/errors.ts';
import { accessOf } from './access.ts';
import type { PortAllocator } from './allocator.ts';
import { portKey, type PortRequest, type PublishedPort } from './binding.ts';
import { type FamilyTarget, type PublicationTargets, targetOf } from './targets.ts';

/**
 * Published ports from the taking of the port to the packet: through the firewall where host and container have the same
 * kind of address. IPv6 clients of a container without IPv6, and those that come from `::1`, which no translation leads
 * anywhere else, are served by the proxy process.
 */
export class Publisher {
  readonly #ports: PortAllocator;
  readonly #firewall: Firewall;
  readonly #proxy: ResolverProcess | undefined;
  readonly #log: Logger;
  readonly #proxied = new Map<Publication, ProxiedPort>();

  constructor(options: {
    ports: PortAllocator;
    firewall: Firewall;
    proxy: ResolverProcess | undefined;
    log: Logger;
  }) {
    this.#ports = options.ports;
    this.#firewall = options.firewall;
    this.#proxy = options.proxy;
    this.#log = options.log;
  }

  /** Serves IPv6 clients of containers without IPv6. */
  get hasProxy(): boolean {
    return this.#proxy !== undefined;
  }

  /** The host's interfaces that published ports need now. */
  get interfaces(): readonly string[] {
    return this.#firewall.interfaces;
  }

  /**
   * Takes the ports and opens them, all or none. Addresses of a family that the container cannot serve are left out.
   * @throws EngineError `conflict`, `unavailable`.
   */
  publish(requests: readonly PortRequest[], targets: PublicationTargets): readonly Publication[] {
    this.#firewall.ensure();
    const publications: Publication[] = [];
    try {
      for (const request of requests) publications.push(...this.#take(request, targets));
      this.#firewall.publish(publications);
    } catch (error) {
      for (const publication of publications) this.#ports.release(publication);
      throw error;
    }
    this.#addProxied(publications, targets);
    return publications;
  }

  /** Ports of the host for those addresses that it has to have one for, the same one; nothing of the host for others. */
  #take(request: PortRequest, targets: PublicationTargets): Publication[] {
    const places = request.hostIps.flatMap((hostIp) => {
      const target = targetOf(targets, familyOf(hostIp), this.hasProxy && request.protocol !== 'sctp');
      return target === undefined ? [] : [{ hostIp, target }];
    });
    const { port, protocol } = request;
    const access = accessOf(request);
    const routed = places
      .filter(({ target }) => target.mode === 'routed')
      .map(({ hostIp, target }) => ({
        port,
        protocol,
        hostIp,
        hostPort: 0,
        target: target.address,
        direct: true,
        ...access,
      }));
    if (request.hostRules === true) checkHostRules(request, routed.length > 0);
    const translated = places.filter(({ target }) => target.mode === 'nat');
    const first = translated[0];
    if (first === undefined) return routed;
    const side = `${sideOf(first.target)}:${portKey(request)}`;
    const taken = this.#ports.allocate({ ...request, hostIps: translated.map(({ hostIp }) => hostIp) }, side);
    return [
      ...routed,
      ...taken.map((published) => {
        const { target } = translated.find(({ hostIp }) => hostIp === published.hostIp) ?? first;
        return { ...published, target: target.address, direct: target.direct };
      }),
    ];
  }

  /** Closes what `publish` or `adopt` gave. */
  withdraw(publications: readonly Publication[]): void {
    if (publications.length === 0) return;
    try {
      this.#firewall.unpublish(publications);
    } catch (error) {
      this.#log.error('published ports could not be closed', { error });
    }
    for (const publication of publications) this.#ports.release(publication);
    const closed = publications.flatMap((publication) => this.#proxied.get(publication) ?? []);
    for (const publication of publications) this.#proxied.delete(publication);
    if (closed.length > 0) this.#proxy?.change(closed, []);
    this.forgetFlows(publications).catch((error: unknown) => {
      this.#log.warn('UDP flows could not be forgotten', { error });
    });
  }

  /** After a restart: the ports are a container's; `start` then opens them. */
  adopt(ports: readonly PublishedPort[], targets: PublicationTargets): readonly Publication[] {
    const publications = ports.flatMap((port) => {
      const target = targetOf(targets, familyOf(port.hostIp), this.hasProxy && port.protocol !== 'sctp');
      return target === undefined ? [] : [{ ...port, target: target.address, direct: isDirect(target) }];
    });
    for (const publication of publications) {
      if (publication.hostPort === 0 || this.#ports.claim(publication)) continue;
      const { hostIp, hostPort, protocol } = publication;
      this.#log.warn('a published port is also used by another program', { hostIp, hostPort, protocol });
    }
    this.#addProxied(publications, targets);
    return publications;
  }

  /** Writes the firewall as a whole, and tells the proxy what there is, also when that is nothing. */
  start(bridges: readonly FirewallBridge[], publications: readonly Publication[]): void {
    this.#firewall.reset(bridges, publications);
    this.#proxy?.set([...this.#proxied.values()]);
  }

  /** The bridges that there are from now on. @throws EngineError `unavailable` */
  setBridges(bridges: readonly FirewallBridge[]): void {
    this.#firewall.setBridges(bridges);
  }

  /** What containers reach of each other by links. A firewall that cannot be written now has it at its next writing. */
  setLinks(links: readonly LinkedPort[]): void {
    try {
      this.#firewall.setLinks(links);
    } catch (error) {
      this.#log.error('links between containers could not be opened or closed', { error });
    }
  }

  /** Lets flows to UDP ports go by the rules of now. */
  async forgetFlows(publications: readonly Publication[]): Promise<void> {
    const udp = publications.filter(({ protocol }) => protocol === 'udp').map(({ hostPort }) => hostPort);
    if (udp.length > 0) await forgetUdpFlows([...new Set(udp)]);
  }

  /** Lets go of firewall and proxy; with `remove` the firewall table goes away. */
  async close(options: { remove: boolean }): Promise<void> {
    await this.#proxy?.close();
    this.#ports[Symbol.dispose]();
    await this.#firewall.close(options);
  }

  #addProxied(publications: readonly Publication[], targets: PublicationTargets): void {
    const opened: ProxiedPort[] = [];
    for (const publication of publications) {
      const { protocol, hostIp, hostPort, port } = publication;
      if (!hostIp.includes(':') || protocol === 'sctp' || hostPort === 0) continue;
      // By IPv4 where that is there: a proxy of `::1` needs nothing else.
      const target = targets[4]?.mode === 'nat' ? targets[4] : targets[6];
      if (target === undefined) continue;
      const targetIp = formatAddress(target.address);
      const place = { protocol, hostIp, hostPort, targetIp, targetPort: port, interface: target.interface };
      this.#proxied.set(publication, place);
      opened.push(place);
    }
    if (opened.length > 0) this.#proxy?.change([], opened);
  }
}

/** @throws EngineError when the host's rules cannot decide about a port */
function checkHostRules(request: PortRequest, routed: boolean): void {
  const what = `port ${portKey(request)} cannot be published by the host's rules`;
  if (routed) throw invalid(`${what}: in the gateway mode routed it has no port of the host`);
  const obstacle = reentryObstacle();
  if (obstacle !== undefined) throw new EngineError('unavailable', `${what}: ${obstacle}`);
}

const familyOf = (hostIp: string): 4 | 6 => parseAddress(hostIp)?.family ?? 4;
const isDirect = ({ mode, direct }: FamilyTarget): boolean => mode === 'routed' || direct;
/** Addresses of IPv6 in brackets, where a port follows. */
const sideOf = ({ address }: FamilyTarget): string =>
  address.family === 6 ? `[${formatAddress(address)}]` : formatAddress(address);
