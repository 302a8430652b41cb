import { EngineError } from '../base/errors.ts';
import { contains, formatIpv4, formatPrefix, type Prefix, sizeOf } from './ipv4.ts';

/** The addresses of one subnet: the lowest free one is given out; network, broadcast and gateway never are. */
export class AddressPool {
  readonly subnet: Prefix;
  readonly #used = new Set<number>();
  readonly #range: Prefix;
  /** Nothing of the range below it is free. */
  #lowest: number;

  /** Addresses are given out of `range`, a part of the subnet; the whole subnet when left out. */
  constructor(subnet: Prefix, reserved: readonly number[], range: Prefix = subnet) {
    this.subnet = subnet;
    this.#range = range;
    this.#lowest = Math.max(range.base, subnet.base + 1);
    for (const address of reserved) this.#used.add(address);
  }

  /** @throws EngineError `unavailable` when every address is taken. */
  allocate(): number {
    const broadcast = this.subnet.base + sizeOf(this.subnet.length) - 1;
    const end = Math.min(broadcast, this.#range.base + sizeOf(this.#range.length));
    for (let address = this.#lowest; address < end; address++) {
      if (this.#used.has(address)) continue;
      this.#used.add(address);
      this.#lowest = address + 1;
      return address;
    }
    throw new EngineError(
      'unavailable',
      `no available IPv4 addresses on this network's address pools: ${formatPrefix(this.subnet)}`,
    );
  }

  /** Takes this very address. @throws EngineError `conflict` when it is taken, `invalid` when it is not in the subnet. */
  claim(address: number): void {
    if (!contains(this.subnet, address)) {
      throw new EngineError('invalid', `no configured subnet contains IP address ${formatIpv4(address)}`);
    }
    if (this.#used.has(address)) throw new EngineError('conflict', 'Address already in use');
    this.#used.add(address);
  }

  /** Gives an address back; no error when it was free. */
  release(address: number): void {
    if (!this.#used.delete(address)) return;
    if (address < this.#lowest && contains(this.#range, address)) this.#lowest = address;
  }
}
