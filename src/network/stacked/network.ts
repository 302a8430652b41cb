import { EngineError, invalid } from '../../base/errors.ts';
import { systemCode } from '../../sys/ffi/errors.ts';
import { deleteLinks } from '../../sys/netlink/cable.ts';
import { addDummy, addStacked, setLink } from '../../sys/netlink/link.ts';
import { type ContainerLink, linkIndex } from '../../sys/netlink/plug.ts';
import { netlinkFamily, NetlinkSocket } from '../../sys/netlink/socket.ts';
import { type Address, bytesOf, type Family, parseAddress, parsePrefix, type Prefix } from '../../base/address.ts';
import { NetworkAddresses, type SubnetUse } from '../addresses.ts';
import { type StackedSettings, stackedSettings, vlanOf } from '../define/stacked.ts';
import type { AddressedNetwork, Addresses, EndpointWish, HeldAddresses, Lease } from '../driver.ts';
import { macOf } from '../mac.ts';
import type { NetworkRecord } from '../record.ts';

/**
 * A network whose containers have interfaces of their own on one of the host's: macvlan or ipvlan. The host's interface
 * stays as it is; addresses are those of the network outside, and the firewall has no part in it.
 */
export class StackedNetwork implements AddressedNetwork {
  readonly subnets: readonly Prefix[];
  readonly gateways: Addresses;
  readonly internal: boolean;
  readonly interfacePrefix = 'eth';
  readonly hasNames = true;
  readonly publishing = undefined;
  readonly parent: string;
  readonly #settings: StackedSettings;
  readonly #owned: boolean;
  readonly #addresses: NetworkAddresses;
  #isSupported = false;

  /** @throws EngineError `invalid` for a record with bad options */
  constructor(record: NetworkRecord, driver: 'macvlan' | 'ipvlan') {
    const { definition } = record;
    const pools = definition?.pools ?? [];
    this.#settings = stackedSettings(driver, definition?.options ?? {});
    this.parent = parentOf(record, this.#settings);
    this.#owned = definition?.ownInterface !== undefined;
    // Without a parent there is no way out.
    this.internal = definition?.internal === true || this.#settings.parent === undefined;
    this.subnets = pools.flatMap(({ subnet }) => parsePrefix(subnet) ?? []);
    const gateways = pools.flatMap(({ gateway }) => parseAddress(gateway ?? '') ?? []);
    this.gateways = this.internal ? {} : firstOfEach(gateways);
    this.#addresses = new NetworkAddresses(
      pools.flatMap(({ subnet, range, gateway, auxiliary }) => {
        const prefix = parsePrefix(subnet);
        const reserved = [gateway ?? '', ...Object.values(auxiliary)].flatMap((text) => parseAddress(text) ?? []);
        return prefix === undefined ? [] : [{ subnet: prefix, range: parsePrefix(range ?? ''), reserved }];
      }),
    );
  }

  /** Makes sure of the parent: one that the engine made is made again. @throws EngineError `invalid`, `not-implemented` */
  async ensure(): Promise<void> {
    this.#checkKernel();
    if (linkIndex(this.parent) !== 0) return;
    if (!this.#owned) throw invalid(`the parent interface ${this.parent} was not found on the host`);
    const vlan = vlanOf(this.parent);
    using socket = new NetlinkSocket(netlinkFamily.route);
    if (this.#settings.parent === undefined || vlan === undefined) {
      lacking('dummy', () => socket.request([addDummy(this.parent)], `making ${this.parent}`));
      return;
    }
    const parent = linkIndex(vlan.on);
    if (parent === 0) throw invalid(`-o parent interface was not found on the host: ${vlan.on}`);
    const link = { kind: 'vlan', id: vlan.id } as const;
    lacking('vlan', () => socket.request([addStacked(link, { name: this.parent, parent })], `making ${this.parent}`));
    socket.request([setLink(linkIndex(this.parent), { up: true })], `bringing ${this.parent} up`);
  }

  async lease(wish: EndpointWish): Promise<Lease> {
    await this.ensure();
    const addresses = this.#addresses.take(wish.addresses);
    // An interface of ipvlan, or of macvlan's passthru, has the address of its parent.
    const { link: kind } = this.#settings;
    const hasOwnMac = kind.kind === 'macvlan' && kind.mode !== 'passthru';
    const mac = hasOwnMac ? (wish.mac ?? macOf(addresses[4])) : undefined;
    const all = [...Object.values(addresses).filter((one) => one !== undefined), ...wish.linkLocal];
    const link = (name: string): ContainerLink => ({
      origin: { kind: 'stacked', parent: this.parent, link: kind },
      name,
      mac,
      addresses: all.map((address) => ({
        address: bytesOf(address),
        prefixLength: this.#addresses.prefixLength(address) || (address.family === 4 ? 16 : 64),
      })),
      mtu: undefined,
      sysctls: wish.sysctls,
    });
    return { addresses, mac, hostName: undefined, link };
  }

  release(held: HeldAddresses): void {
    this.#addresses.release(held.addresses);
  }

  adopt(held: HeldAddresses): void {
    this.#addresses.claim(held.addresses);
  }

  /** The interface goes with the namespace, and nobody on the host can see when. */
  retire(held: HeldAddresses): void {
    this.release(held);
  }

  usage(): readonly SubnetUse[] {
    return this.#addresses.usage();
  }

  /** What a kernel without this kind of interface says before it looks at anything else: no interface stands on lo. */
  #checkKernel(): void {
    if (this.#isSupported) return;
    using socket = new NetlinkSocket(netlinkFamily.route);
    const loopback = 1;
    lacking(this.#settings.link.kind, () => {
      try {
        socket.request(
          [addStacked(this.#settings.link, { name: 'gantry-probe', parent: loopback })],
          'looking for a driver',
        );
      } catch (error) {
        if (systemCode(error) !== 'EINVAL') throw error;
      }
    });
    this.#isSupported = true;
  }

  async close(options: { remove: boolean }): Promise<void> {
    if (options.remove && this.#owned) await deleteLinks([this.parent]);
  }
}

/** The interface below; one without a name of its own is named after the network, as in Docker. */
export function parentOf(record: NetworkRecord, settings: StackedSettings): string {
  const prefix = record.driver === 'macvlan' ? 'dm-' : 'di-';
  return settings.parent ?? `${prefix}${record.id.slice(0, 12)}`;
}

function firstOfEach(addresses: readonly Address[]): Addresses {
  const found: Partial<Record<Family, Address>> = {};
  for (const address of addresses) found[address.family] ??= address;
  return found;
}

/** @throws EngineError `not-implemented` where the kernel has no such kind of interface */
function lacking(kind: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    if (systemCode(error) !== 'EOPNOTSUPP' && systemCode(error) !== 'ENOTSUP') throw error;
    throw new EngineError('unavailable', `operation not supported: the kernel has no ${kind} interfaces`, {
      cause: error,
    });
  }
}
