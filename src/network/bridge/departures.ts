import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { type Address, sameAddress } from '../../base/address.ts';
import { deleteLinks } from '../../sys/netlink/cable.ts';
import { linkIndex } from '../../sys/netlink/plug.ts';
import type { Addresses, HeldAddresses } from '../driver.ts';
import { shutLink } from './link.ts';
import type { BridgeRates } from './rates.ts';

/** How often and how long the end of a cable is waited for before it is pulled out by force, in milliseconds. */
const goneChecksMs = [5, 10, 20, 50, 100, 200, 400];

/** What of a bridge network is on its way out: nobody waits for it who need not. */
export class Departures {
  readonly #rates: BridgeRates;
  readonly #log: Logger;
  /** Each with the addresses that are free when it has gone. */
  readonly #going = new Map<Promise<void>, Addresses>();

  constructor(options: { rates: BridgeRates; log: Logger }) {
    this.#rates = options.rates;
    this.#log = options.log;
  }

  /**
   * The kernel removes the cable with the container's namespace, a little later; only then `free` is called, so that no dying
   * container answers for a new one.
   */
  retire(held: HeldAddresses, free: () => void): void {
    const { hostName } = held;
    const leave = async (): Promise<void> => {
      try {
        if (hostName === undefined) return;
        await waitGone(hostName, this.#log);
        await this.#rates.forget(hostName);
      } finally {
        free();
      }
    };
    void this.#track(leave(), hostName, held.addresses);
  }

  /** Removes a cable that is out of the container's reach. Resolves at once, or when its limits of bandwidth are gone. */
  async pull(hostName: string): Promise<void> {
    const leave = async (): Promise<void> => {
      shutLink(hostName);
      await deleteLinks([hostName]);
      await this.#rates.forget(hostName);
    };
    const isLimited = this.#rates.mayLimit(hostName);
    const gone = this.#track(leave(), hostName, {});
    if (isLimited) await gone;
  }

  /** Removes a link that nobody uses. */
  remove(name: string): void {
    void this.#track(deleteLinks([name]), name, {});
  }

  /** True when one of these addresses is about to be free, or any at all when none is wanted; resolves when it is. */
  async freed(wanted: Addresses): Promise<boolean> {
    const isWanted = (address: Address | undefined): boolean =>
      Object.values(wanted).length === 0 ||
      Object.values(wanted).some((one) => one !== undefined && address !== undefined && sameAddress(one, address));
    const coming = [...this.#going].filter(([, addresses]) => Object.values(addresses).some(isWanted));
    await Promise.all(coming.map(([gone]) => gone));
    return coming.length > 0;
  }

  /** Resolves when all that is on its way now has gone. */
  async settled(): Promise<void> {
    await Promise.all(this.#going.keys());
  }

  /** Never fails: what cannot be removed is told in the log. */
  #track(work: Promise<void>, name: string | undefined, addresses: Addresses): Promise<void> {
    const tracked = work
      .catch((error: unknown) => this.#log.warn('an interface could not be removed', { name, error }))
      .finally(() => this.#going.delete(tracked));
    this.#going.set(tracked, addresses);
    return tracked;
  }
}

/** Until the end of a cable is gone by itself, or by force. */
async function waitGone(hostName: string, log: Logger): Promise<void> {
  for (const ms of goneChecksMs) {
    await new Promise((resolve) => setTimeout(resolve, ms));
    if (linkIndex(hostName) === 0) return;
  }
  // Something still lives in the namespace: another container that joined it, or a process that outlived its own.
  try {
    await deleteLinks([hostName]);
  } catch (error) {
    log.warn('an interface could not be removed', { hostName, reason: messageOf(error) });
  }
}
