import { codeOf, EngineError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { deleteLinks, openNamespace } from '../../sys/netlink/cable.ts';
import { type ContainerLink, linkIndex } from '../../sys/netlink/plug.ts';
import { closeNetNamespace } from '../../sys/namespace/net.ts';
import { type Address, bytesOf, type Prefix } from '../../base/address.ts';
import { NetworkAddresses, type SubnetUse } from '../addresses.ts';
import type {
  AddressedNetwork,
  Addresses,
  EndpointWish,
  HeldAddresses,
  Lease,
  Publishing,
  ReadyNamespace,
} from '../driver.ts';
import { macOf } from '../mac.ts';
import {
  addAddresses,
  createBridge,
  enableForwarding,
  findBridge,
  hasAddresses,
  type LinkAddress,
  plugInto,
  setAside,
} from './link.ts';
import { Departures } from './departures.ts';
import { BridgeRates, type NetworkRates } from './rates.ts';
import { ReadyStock } from './ready.ts';
import { noRates } from '../rates/rate.ts';

/**
 * What every container's namespace begins with: Docker's two settings, which let a process without capabilities use low
 * ports and ping, and no IPv6 on interfaces of IPv4 networks.
 */
export const namespaceSysctls: Readonly<Record<string, string>> = {
  'net.ipv4.ip_unprivileged_port_start': '0',
  'net.ipv4.ping_group_range': '0 2147483647',
  'net.ipv6.conf.default.disable_ipv6': '1',
};

/** One subnet of a bridge. */
export interface BridgeSubnet {
  readonly subnet: Prefix;
  /** Containers' default route; undefined for none. */
  readonly gateway: Address | undefined;
  /** The bridge has the gateway's address. */
  readonly onBridge: boolean;
  /** Where containers' addresses come from; the whole subnet when left out. */
  readonly range?: Prefix | undefined;
  /** Addresses that containers do not get, besides the gateway's. */
  readonly reserved: readonly Address[];
}

export interface BridgeOptions {
  readonly name: string;
  /** The engine made it, and may make it anew. */
  readonly owned: boolean;
  readonly mac: Uint8Array;
  /** At most one of each family. */
  readonly subnets: readonly BridgeSubnet[];
  readonly internal: boolean;
  /** Containers reach each other. */
  readonly talking: boolean;
  /** What names of interfaces in containers begin with. */
  readonly interfacePrefix: string;
  readonly hasNames: boolean;
  readonly publishing: Publishing | undefined;
  readonly rates: NetworkRates;
  /** False leaves the kernel's switch for forwarding as it is. */
  readonly forwarding: boolean;
  readonly mtu: number;
  /** What names of the host's ends of cables begin with. */
  readonly cablePrefix: string;
  /** How many namespaces to keep ready; 0 for none. */
  readonly ready: number;
  readonly log: Logger;
}

const noWish: EndpointWish = {
  addresses: {},
  linkLocal: [],
  mac: undefined,
  interfaceName: undefined,
  sysctls: [],
  rates: noRates,
};

/**
 * An address may have been another container's a moment ago, with another hardware address: it is announced as the interface
 * goes up, or neighbours and the host send to the old one until they notice, some ten seconds later.
 */
const announced: ContainerLink['sysctls'] = [['net/ipv4/conf/IFNAME/arp_notify', '1']];
const ipv6Sysctls: ContainerLink['sysctls'] = [
  ['net/ipv6/conf/IFNAME/ndisc_notify', '1'],
  ['net/ipv6/conf/IFNAME/accept_ra', '0'],
];

/** One bridge with its addresses and cables. */
export class BridgeNetwork implements AddressedNetwork {
  readonly options: BridgeOptions;
  readonly subnets: readonly Prefix[];
  readonly gateways: Addresses;
  readonly internal: boolean;
  readonly interfacePrefix: string;
  readonly hasNames: boolean;
  readonly publishing: Publishing | undefined;
  readonly rates: BridgeRates;
  readonly departures: Departures;
  readonly ready?: () => Promise<ReadyNamespace>;
  readonly #addresses: NetworkAddresses;
  readonly #stock: ReadyStock<ReadyNamespace>;
  /** The host's ends of all cables that are in use, for plugging them in again. */
  readonly #cables = new Set<string>();

  constructor(options: BridgeOptions) {
    this.options = options;
    this.subnets = options.subnets.map(({ subnet }) => subnet);
    this.gateways = options.internal
      ? {}
      : Object.fromEntries(options.subnets.map(({ subnet, gateway }) => [subnet.family, gateway]));
    this.internal = options.internal;
    this.interfacePrefix = options.interfacePrefix;
    this.hasNames = options.hasNames;
    this.publishing = options.publishing;
    this.rates = new BridgeRates({ ...options, bridge: options.name, prefix: options.cablePrefix });
    this.departures = new Departures({ rates: this.rates, log: options.log });
    this.#addresses = new NetworkAddresses(
      options.subnets.map(({ subnet, gateway, range, reserved }) => ({
        subnet,
        range,
        reserved: gateway === undefined ? reserved : [gateway, ...reserved],
      })),
    );
    this.#stock = new ReadyStock({
      size: options.ready,
      log: options.log,
      make: () => makeReady(this.#lease(noWish), this.gateways, (lease) => this.#addresses.release(lease.addresses)),
      discard: (ready) => this.discard(ready),
    });
    if (options.ready > 0) this.ready = () => this.#takeIntact();
  }

  /**
   * Makes the bridge when it is not there, or not as it should be; cables of running containers are plugged in again.
   * @throws EngineError `conflict`, `unavailable`, NetlinkError, SystemError.
   */
  async ensure(): Promise<void> {
    const { name, owned, forwarding, log } = this.options;
    const found = findBridge(name);
    const wanted = ownAddresses(this.options);
    if (found === undefined || !hasAddresses(found, wanted)) {
      if (!owned) addMissing(name, found?.addresses, wanted);
      else {
        if (found !== undefined) await deleteLinks([name]);
        await create(this.options, wanted);
        await this.rates.limitBridge();
        plugInto(name, [...this.#cables, ...this.#stock.items.map(({ lease }) => lease.hostName ?? '')]);
      }
    }
    const families = { ipv4: hasFamily(this.options, 4), ipv6: hasFamily(this.options, 6) };
    for (const sysctl of enableForwarding(name, { everywhere: forwarding, ...families })) {
      log.info('set for containers to be reached', { sysctl });
    }
  }

  async lease(wish: EndpointWish): Promise<Lease> {
    if (linkIndex(this.options.name) === 0) await this.ensure();
    const lease = await orSoon(
      () => this.#lease(wish),
      (code) => this.departures.freed(code === 'forbidden' ? wish.addresses : {}),
    );
    this.#cables.add(lease.hostName);
    return lease;
  }

  release(held: HeldAddresses): void {
    if (held.hostName !== undefined) this.#cables.delete(held.hostName);
    this.#addresses.release(held.addresses);
  }

  adopt({ addresses, hostName }: HeldAddresses): void {
    this.#addresses.claim(addresses);
    if (hostName !== undefined) this.#cables.add(hostName);
  }

  retire(held: HeldAddresses): void {
    this.departures.retire(held, () => this.release(held));
  }

  async pull(held: HeldAddresses): Promise<void> {
    this.release(held);
    if (held.hostName !== undefined) await this.departures.pull(held.hostName);
  }

  discard({ namespace, lease }: ReadyNamespace): void {
    closeNetNamespace(namespace);
    this.retire(lease);
  }

  usage(): readonly SubnetUse[] {
    return this.#addresses.usage();
  }

  /** True for the host's end of a cable that is in use. */
  hasCable(hostName: string): boolean {
    return this.#cables.has(hostName);
  }

  /**
   * Drops the ready namespaces; with `remove` the bridge goes too: its name and its subnets are free when it resolves, and
   * all else of it when the departures have settled.
   */
  async close(options: { remove: boolean }): Promise<void> {
    await this.#stock.close();
    const { name, owned, cablePrefix } = this.options;
    if (!options.remove || !owned) return;
    const aside = newInterfaceName(cablePrefix);
    if (await setAside(name, aside, ownAddresses(this.options))) this.departures.remove(aside);
  }

  #lease(wish: EndpointWish): Lease & { readonly hostName: string } {
    const { name: bridge, mtu, cablePrefix, talking } = this.options;
    const addresses = this.#addresses.take(wish.addresses);
    const mac = wish.mac ?? macOf(addresses[4]);
    const hostName = newInterfaceName(cablePrefix);
    const all = [...Object.values(addresses).filter((one) => one !== undefined), ...wish.linkLocal];
    const link = (name: string): ContainerLink => ({
      origin: { kind: 'cable', hostName, bridge, isolated: !talking },
      name,
      mac,
      addresses: all.map((address) => ({
        address: bytesOf(address),
        prefixLength: this.#addresses.prefixLength(address) || linkLocalLength[address.family],
      })),
      mtu,
      sysctls: [...announced, ...(addresses[6] === undefined ? [] : ipv6Sysctls), ...wish.sysctls],
    });
    return { addresses, mac, hostName, link };
  }

  /** A ready one may have lost its cable: anybody can remove interfaces. */
  async #takeIntact(): Promise<ReadyNamespace> {
    if (linkIndex(this.options.name) === 0) await this.ensure();
    for (;;) {
      const ready = await this.#stock.take();
      const { hostName = '' } = ready.lease;
      if (linkIndex(hostName) !== 0) {
        this.#cables.add(hostName);
        return ready;
      }
      this.discard(ready);
    }
  }
}

const ownAddresses = ({ subnets }: BridgeOptions): LinkAddress[] =>
  subnets.flatMap(({ subnet, gateway, onBridge }) =>
    gateway === undefined || !onBridge ? [] : [{ address: gateway, length: subnet.length }],
  );

const hasFamily = ({ subnets }: BridgeOptions, family: 4 | 6): boolean =>
  subnets.some(({ subnet }) => subnet.family === family);

async function create(options: BridgeOptions, addresses: readonly LinkAddress[]): Promise<void> {
  const { name, mac, mtu } = options;
  try {
    createBridge({ name, mac, mtu, addresses, ipv6: hasFamily(options, 6) });
  } catch (error) {
    await deleteLinks([name]);
    throw error;
  }
}

/** A bridge that somebody else made only gets what it lacks. */
function addMissing(name: string, has: readonly LinkAddress[] | undefined, wanted: readonly LinkAddress[]): void {
  if (has === undefined) {
    throw new EngineError('unavailable', `the bridge ${name} is gone: it was not made by the engine`);
  }
  addAddresses(
    name,
    wanted.filter((one) => !hasAddresses({ index: 0, addresses: has }, [one])),
  );
}

/** Prefixes of 169.254.0.0/16 and fe80::/64. */
const linkLocalLength = { 4: 16, 6: 64 } as const;

const randomDigits = 7;

/** A name that no other interface has, by chance. */
export const newInterfaceName = (prefix: string): string =>
  prefix + crypto.getRandomValues(new Uint8Array(4)).toHex().slice(0, randomDigits);

/** True for the names of cables that begin with `prefix`. */
export const isCableName = (name: string, prefix: string): boolean =>
  name.startsWith(prefix) &&
  name.length === prefix.length + randomDigits &&
  /^[0-9a-f]+$/.test(name.slice(prefix.length));

/** A namespace with a cable to the network. When it cannot be made, `release` takes the lease back. */
async function makeReady(lease: Lease, gateways: Addresses, release: (lease: Lease) => void): Promise<ReadyNamespace> {
  const link = lease.link('eth0');
  try {
    const routes = Object.values(gateways).flatMap((gateway) =>
      gateway === undefined ? [] : [{ link: link.name, gateway: bytesOf(gateway) }],
    );
    return { namespace: await openNamespace({ sysctls: namespaceSysctls, links: [link], routes }), lease };
  } catch (error) {
    release(lease);
    throw error;
  }
}

/** What was just given back is free in a moment: where `freed` says so, it is tried once more. */
async function orSoon<T>(take: () => T, freed: (code: 'forbidden' | 'unavailable') => Promise<boolean>): Promise<T> {
  try {
    return take();
  } catch (error) {
    const code = codeOf(error);
    if ((code !== 'forbidden' && code !== 'unavailable') || !(await freed(code))) throw error;
    return take();
  }
}
