import type { Logger } from '../../base/log.ts';
import type { ProxiedPort } from '../../spec/resolver/proxy.ts';
import { forgetUdpFlows } from '../../sys/netlink/cable.ts';
import type { Firewall } from '../firewall/firewall.ts';
import type { FirewallBridge, Publication } from '../firewall/table.ts';
import { formatIpv4 } from '../ipv4.ts';
import type { ProxyProcess } from '../proxy/client.ts';
import type { PortAllocator } from './allocator.ts';
import { portKey, type PortRequest } from './binding.ts';

/** The container's side of its published ports. */
export interface PublicationTarget {
  /** IPv4. */
  readonly address: number;
  /** The host's end of the container's cable. */
  readonly interface: string;
}

/**
 * Published ports from the taking of the port to the packet: IPv4 through the firewall, IPv6, which cannot be translated
 * to the IPv4 of a container, through the proxy process.
 */
export class Publisher {
  readonly #ports: PortAllocator;
  readonly #firewall: Firewall;
  readonly #proxy: ProxyProcess | undefined;
  readonly #log: Logger;
  readonly #proxied = new Map<Publication, ProxiedPort>();

  constructor(options: {
    ports: PortAllocator;
    firewall: Firewall;
    proxy: ProxyProcess | undefined;
    log: Logger;
  }) {
    this.#ports = options.ports;
    this.#firewall = options.firewall;
    this.#proxy = options.proxy;
    this.#log = options.log;
  }

  /** Takes the ports and opens them, all or none. @throws EngineError `conflict`, `unavailable`. */
  publish(requests: readonly PortRequest[], target: PublicationTarget): readonly Publication[] {
    this.#firewall.ensure();
    const publications: Publication[] = [];
    try {
      for (const request of requests) {
        const side = `${formatIpv4(target.address)}:${portKey(request)}`;
        for (const taken of this.#ports.allocate(request, side))
          publications.push({ ...taken, target: target.address });
      }
      this.#firewall.publish(publications.filter(isIpv4));
    } catch (error) {
      for (const publication of publications) this.#ports.release(publication);
      throw error;
    }
    this.#addProxied(publications, target);
    return publications;
  }

  /** Closes what `publish` or `adopt` gave. */
  withdraw(publications: readonly Publication[]): void {
    if (publications.length === 0) return;
    try {
      this.#firewall.unpublish(publications.filter(isIpv4));
    } catch (error) {
      this.#log.error('published ports could not be closed', { error });
    }
    for (const publication of publications) this.#ports.release(publication);
    if (publications.filter((publication) => this.#proxied.delete(publication)).length > 0) this.#tellProxy();
    this.forgetFlows(publications).catch((error: unknown) => {
      this.#log.warn('UDP flows could not be forgotten', { error });
    });
  }

  /** After a restart: the ports are a container's; `start` then opens them. */
  adopt(publications: readonly Publication[], target: PublicationTarget): void {
    for (const publication of publications) {
      if (this.#ports.claim(publication)) continue;
      const { hostIp, hostPort, protocol } = publication;
      this.#log.warn('a published port is also used by another program', { hostIp, hostPort, protocol });
    }
    this.#addProxied(publications, target);
  }

  /** Writes the firewall as a whole, and tells the proxy what there is, also when that is nothing. */
  start(bridges: readonly FirewallBridge[], publications: readonly Publication[]): void {
    this.#firewall.reset(bridges, publications.filter(isIpv4));
    this.#tellProxy();
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
    this.#firewall.close(options);
  }

  #addProxied(publications: readonly Publication[], target: PublicationTarget): void {
    for (const publication of publications) {
      const { protocol, hostIp, hostPort, port } = publication;
      if (isIpv4(publication) || protocol === 'sctp') continue;
      const targetIp = formatIpv4(target.address);
      this.#proxied.set(publication, {
        protocol,
        hostIp,
        hostPort,
        targetIp,
        targetPort: port,
        interface: target.interface,
      });
    }
    if (publications.some((publication) => this.#proxied.has(publication))) this.#tellProxy();
  }

  #tellProxy(): void {
    this.#proxy?.set([...this.#proxied.values()]);
  }
}

const isIpv4 = ({ hostIp }: Publication): boolean => !hostIp.includes(':');
