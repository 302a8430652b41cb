import { EngineError } from '../base/errors.ts';
import { type Address, contains, formatAddress, formatPrefix, type Prefix, sizeOf } from '../base/address.ts';

/**
 * The addresses of one subnet: the lowest free one is given out. The network's own address never is, nor IPv4's
 * broadcast address, nor what is reserved; subnets of one or two IPv4 addresses have none to spare.
 */
export class AddressPool {
  readonly subnet: Prefix;
  readonly #range: Prefix;
  readonly #used = new Set<bigint>();
  /** Nothing of the range below it is free. */
  #lowest: bigint;

  /** Addresses are given out of `range`, a part of the subnet; the whole subnet when left out. */
  constructor(subnet: Prefix, reserved: readonly Address[], range: Prefix = subnet) {
    this.subnet = subnet;
    this.#range = range;
    this.#lowest = range.base;
    const end = subnet.base + sizeOf(subnet) - 1n;
    if (sizeOf(subnet) > 2n) this.#used.add(subnet.base);
    if (sizeOf(subnet) > 2n && subnet.family === 4) this.#used.add(end);
    for (const { value } of reserved) this.#used.add(value);
  }

  /** @throws EngineError `unavailable` when every address is taken. */
  allocate(): Address {
    const end = this.#range.base + sizeOf(this.#range);
    for (let value = this.#lowest; value < end; value++) {
      if (this.#used.has(value)) continue;
      this.#used.add(value);
      this.#lowest = value + 1n;
      return { family: this.subnet.family, value };
    }
    throw new EngineError(
      'unavailable',
      `no available IPv${this.subnet.family} addresses on this network's address pools: ${formatPrefix(this.subnet)}`,
    );
  }

  /**
   * Takes this very address. @throws EngineError `forbidden` when it is taken, `invalid` when it is not in the subnet.
   */
  claim(address: Address): void {
    if (!contains(this.subnet, address)) {
      throw new EngineError('invalid', `no configured subnet contains IP address ${formatAddress(address)}`);
    }
    if (this.#used.has(address.value)) throw new EngineError('forbidden', 'Address already in use');
    this.#used.add(address.value);
  }

  /** Gives an address back; no error when it was free. */
  release({ value }: Address): void {
    if (!this.#used.delete(value)) return;
    const inRange = value >= this.#range.base && value < this.#range.base + sizeOf(this.#range);
    if (inRange && value < this.#lowest) this.#lowest = value;
  }

  /** Addresses that are not free, and those in the range that are. */
  get counts(): { readonly used: bigint; readonly available: bigint } {
    const end = this.#range.base + sizeOf(this.#range);
    let usedInRange = 0n;
    for (const value of this.#used) if (value >= this.#range.base && value < end) usedInRange++;
    return { used: BigInt(this.#used.size), available: sizeOf(this.#range) - usedInRange };
  }
}
