import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { deleteLinks, openNamespace } from '../../sys/netlink/cable.ts';
import { type Cable, linkIndex } from '../../sys/netlink/calls.ts';
import { closeNetNamespace } from '../../sys/namespace/net.ts';
import type { AddressedNetwork, Attachment } from '../driver.ts';
import { AddressPool } from '../ipam.ts';
import { bytesOf, macOf, type Prefix } from '../ipv4.ts';
import { createBridge, enableForwarding, findBridge, linksNamed, plugInto } from './link.ts';
import { ReadyStock } from './ready.ts';

/**
 * What every container's namespace begins with: Docker's two settings, which let a process without capabilities use low
 * ports and ping, and no IPv6 on interfaces of IPv4 networks.
 */
export const namespaceSysctls: Readonly<Record<string, string>> = {
  'net.ipv4.ip_unprivileged_port_start': '0',
  'net.ipv4.ping_group_range': '0 2147483647',
  'net.ipv6.conf.default.disable_ipv6': '1',
};

export interface BridgeOptions {
  readonly name: string;
  readonly mac: Uint8Array;
  readonly subnet: Prefix;
  readonly gateway: number;
  /** Where containers' addresses come from; the whole subnet when left out. */
  readonly range?: Prefix | undefined;
  /** False leaves the kernel's switch for forwarding as it is. */
  readonly forwarding: boolean;
  readonly mtu: number;
  readonly interfacePrefix: string;
  readonly ready: number;
  readonly log: Logger;
}

/** How often and how long the end of a cable is waited for before it is pulled out by force, in milliseconds. */
const goneChecksMs = [5, 10, 20, 50, 100, 200, 400];

/** One bridge with its addresses and cables. */
export class BridgeNetwork implements AddressedNetwork {
  readonly options: BridgeOptions;
  readonly #addresses: AddressPool;
  readonly #stock: ReadyStock<Attachment>;
  /** The host's ends of all cables that are in use, for plugging them in again. */
  readonly #cables = new Set<string>();
  readonly #retiring = new Set<Promise<void>>();

  constructor(options: BridgeOptions) {
    this.options = options;
    this.#addresses = new AddressPool(options.subnet, [options.gateway], options.range);
    this.#stock = new ReadyStock({
      size: options.ready,
      log: options.log,
      make: () => this.#make(macOf),
      discard: (attachment) => this.discard(attachment),
    });
  }

  get subnet(): Prefix {
    return this.options.subnet;
  }

  get gateway(): number {
    return this.options.gateway;
  }

  /**
   * Makes the bridge when it is not there, or not as it should be; cables of running containers are plugged in again.
   * @throws EngineError `conflict`, NetlinkError, SystemError.
   */
  async ensure(): Promise<void> {
    const { name, gateway, subnet } = this.options;
    const found = findBridge(name);
    const right = found?.address?.address === gateway && found.address.length === subnet.length;
    if (!right) {
      if (found !== undefined) await deleteLinks([name]);
      createBridge({ ...this.options, length: subnet.length });
      plugInto(name, [...this.#cables, ...this.#stock.items.map(({ hostName }) => hostName)]);
    }
    for (const sysctl of enableForwarding(name, this.options.forwarding))
      this.options.log.info('set for containers to be reached', { sysctl });
  }

  /** A namespace on the bridge, ready to be joined. `mac` replaces the address derived from the IPv4 address. */
  async attach(mac: Uint8Array | undefined, namespace?: number): Promise<Attachment> {
    if (linkIndex(this.options.name) === 0) await this.ensure();
    const attachment = await this.#attachment(mac, namespace);
    this.#cables.add(attachment.hostName);
    return attachment;
  }

  #attachment(mac: Uint8Array | undefined, namespace: number | undefined): Promise<Attachment> {
    if (mac === undefined && namespace === undefined) return this.#takeIntact();
    return this.#make(mac === undefined ? macOf : () => mac, namespace);
  }

  /** After a restart: address and cable belong to a running container. @throws EngineError when they cannot. */
  adopt(address: number, hostName: string | undefined): void {
    this.#addresses.claim(address);
    if (hostName !== undefined) this.#cables.add(hostName);
  }

  /**
   * Takes back what a container had. The kernel removes the cable with the container's namespace, a little later; only
   * then is the address free again, so that no dying container answers for a new one.
   */
  retire(address: number, hostName: string | undefined): void {
    const work = this.#waitGone(hostName)
      .catch((error: unknown) => this.options.log.warn('a cable could not be removed', { hostName, error }))
      .finally(() => {
        if (hostName !== undefined) this.#cables.delete(hostName);
        this.#addresses.release(address);
        this.#retiring.delete(work);
      });
    this.#retiring.add(work);
  }

  /** Drops an attachment that no container has joined. */
  discard(attachment: Attachment): void {
    closeNetNamespace(attachment.namespace);
    this.retire(attachment.address, attachment.hostName);
  }

  /** Removes the instance's interfaces that belong to no container. */
  async sweep(): Promise<void> {
    const { name: bridge, interfacePrefix } = this.options;
    const masters = [0, linkIndex(bridge)];
    const stray = linksNamed(interfacePrefix)
      .filter(({ kind, master }) => kind === 'veth' && masters.includes(master))
      .map(({ name }) => name)
      .filter((name) => isOwnName(name, interfacePrefix) && !this.#cables.has(name));
    if (stray.length === 0) return;
    this.options.log.info('removing interfaces that belong to no container', { stray });
    await deleteLinks(stray);
  }

  /** Drops the ready namespaces and waits until all that was retired is gone; with `remove` the bridge goes too. */
  async close(options: { remove: boolean }): Promise<void> {
    await this.#stock.close();
    await Promise.all(this.#retiring);
    if (options.remove) await deleteLinks([this.options.name]);
  }

  /** A ready one may have lost its cable: anybody can remove interfaces. */
  async #takeIntact(): Promise<Attachment> {
    for (;;) {
      const attachment = await this.#stock.take();
      if (linkIndex(attachment.hostName) !== 0) return attachment;
      this.discard(attachment);
    }
  }

  async #make(macFor: (address: number) => Uint8Array, taken?: number): Promise<Attachment> {
    const { name, subnet, gateway, mtu, interfacePrefix } = this.options;
    const address = this.#addresses.allocate();
    const mac = macFor(address);
    const hostName = newInterfaceName(interfacePrefix);
    const cable: Cable = {
      hostName,
      bridge: name,
      name: 'eth0',
      mac,
      address: bytesOf(address),
      prefixLength: subnet.length,
      gateway: bytesOf(gateway),
      mtu,
    };
    // An address with another hardware address than before has to be announced, or neighbours keep the old one.
    const announce = macFor === macOf ? {} : { 'net.ipv4.conf.default.arp_notify': '1' };
    try {
      const sysctls = { ...namespaceSysctls, ...announce };
      const namespace = await openNamespace({ sysctls, cables: [cable], namespace: taken });
      return { namespace, address, mac, hostName };
    } catch (error) {
      this.#addresses.release(address);
      throw error;
    }
  }

  async #waitGone(hostName: string | undefined): Promise<void> {
    if (hostName === undefined) return;
    for (const ms of goneChecksMs) {
      await new Promise((resolve) => setTimeout(resolve, ms));
      if (linkIndex(hostName) === 0) return;
    }
    // Something still lives in the namespace: another container that joined it, or a process that outlived its own.
    try {
      await deleteLinks([hostName]);
    } catch (error) {
      this.options.log.warn('an interface could not be removed', { hostName, reason: messageOf(error) });
    }
  }
}

const randomDigits = 7;

/** A name that no other interface has, by chance. */
const newInterfaceName = (prefix: string): string =>
  prefix + crypto.getRandomValues(new Uint8Array(4)).toHex().slice(0, randomDigits);

const isOwnName = (name: string, prefix: string): boolean =>
  name.length === prefix.length + randomDigits && /^[0-9a-f]+$/.test(name.slice(prefix.length));
