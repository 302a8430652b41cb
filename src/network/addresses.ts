import { EngineError } from '../base/errors.ts';
import { type Address, contains, type Family, formatAddress, type Prefix } from '../base/address.ts';
import type { Addresses } from './driver.ts';
import { AddressPool } from './ipam.ts';

/** One subnet and who must not get its addresses. */
export interface PoolSpec {
  readonly subnet: Prefix;
  /** Where containers' addresses come from; the whole subnet when left out. */
  readonly range?: Prefix | undefined;
  readonly reserved: readonly Address[];
}

/** How much of a subnet is taken. */
export interface SubnetUse {
  readonly subnet: Prefix;
  readonly used: bigint;
  readonly available: bigint;
}

const families = [4, 6] as const;

/** The addresses of one network: one or more pools of each family that it has. */
export class NetworkAddresses {
  readonly #pools: readonly AddressPool[];

  constructor(pools: readonly PoolSpec[]) {
    this.#pools = pools.map(({ subnet, reserved, range }) => new AddressPool(subnet, reserved, range));
  }

  /**
   * An address of each family, the wanted ones where they are named; all or none.
   * @throws EngineError `unavailable`, `forbidden`, `invalid` as `AddressPool` does
   */
  take(wanted: Addresses): Addresses {
    const taken: Partial<Record<Family, Address>> = {};
    try {
      for (const family of families) {
        const address = wanted[family] === undefined ? this.#allocate(family) : this.#claim(wanted[family]);
        if (address !== undefined) taken[family] = address;
      }
      return taken;
    } catch (error) {
      this.release(taken);
      throw error;
    }
  }

  /** These very addresses, all or none. @throws EngineError `forbidden`, `invalid` */
  claim(addresses: Addresses): void {
    const claimed: Partial<Record<Family, Address>> = {};
    try {
      for (const family of families) {
        const address = addresses[family];
        if (address !== undefined) claimed[family] = this.#claim(address);
      }
    } catch (error) {
      this.release(claimed);
      throw error;
    }
  }

  release(addresses: Addresses): void {
    for (const family of families) {
      const address = addresses[family];
      if (address !== undefined) this.#poolOf(address)?.release(address);
    }
  }

  /** Length of the prefix of an address's subnet. */
  prefixLength(address: Address): number {
    return this.#poolOf(address)?.subnet.length ?? 0;
  }

  usage(): SubnetUse[] {
    return this.#pools.map((pool) => ({ subnet: pool.subnet, ...pool.counts }));
  }

  #poolOf(address: Address): AddressPool | undefined {
    return this.#pools.find(({ subnet }) => contains(subnet, address));
  }

  /** Of the first pool that has one left; undefined without pools of the family. */
  #allocate(family: Family): Address | undefined {
    const pools = this.#pools.filter(({ subnet }) => subnet.family === family);
    for (const [at, pool] of pools.entries()) {
      try {
        return pool.allocate();
      } catch (error) {
        if (at === pools.length - 1) throw error;
      }
    }
    return undefined;
  }

  #claim(address: Address): Address {
    const pool = this.#poolOf(address);
    if (pool === undefined) {
      throw new EngineError('invalid', `no configured subnet contains IP address ${formatAddress(address)}`);
    }
    pool.claim(address);
    return address;
  }
}
