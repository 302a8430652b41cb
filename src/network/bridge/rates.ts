import { EngineError, messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { systemCode } from '../../sys/ffi/errors.ts';
import { deleteLinks, limitLinks } from '../../sys/netlink/cable.ts';
import type { LinkLimits } from '../../sys/netlink/limit-calls.ts';
import { effective, noRates, type Rates } from '../rates/rate.ts';

/** What a network says of bandwidth. */
export interface NetworkRates {
  /** Of each endpoint that says nothing itself. */
  readonly each: Rates;
  /** Of what the network gets from the host and from outside, and of what it sends to the outside. */
  readonly total: Rates;
}

export interface BridgeRatesOptions {
  readonly bridge: string;
  /** The engine made the bridge: others' are left alone. */
  readonly owned: boolean;
  /** What names of helpers begin with, as those of cables. */
  readonly prefix: string;
  readonly mtu: number;
  readonly rates: NetworkRates;
  readonly log: Logger;
  /** The kernel's side, for tests. */
  readonly calls?: RateCalls;
}

export interface RateCalls {
  readonly limit: (links: readonly LinkLimits[]) => Promise<void>;
  readonly remove: (names: readonly string[]) => Promise<void>;
}

/**
 * Bandwidth of one bridge network. A limit is a bucket at the host's end of a cable, out of the container's reach: at its
 * queue for what the container gets, and in a helper (ifb) that frames from the container pass through for what it sends.
 * At the bridge's queue is a bucket for what the whole network gets. What it sends as a whole is the firewall's to limit:
 * led through a helper there, packets lose what connection tracking knows of them, which it does already where bridged
 * packets go through the firewall (br_netfilter).
 */
export class BridgeRates {
  readonly #options: BridgeRatesOptions;
  readonly #calls: RateCalls;
  #rates: NetworkRates;
  /** By cable, what its endpoint says. */
  readonly #own = new Map<string, Rates>();
  /** Cables that may have a limit. */
  readonly #limited = new Set<string>();

  constructor(options: BridgeRatesOptions) {
    this.#options = options;
    this.#rates = options.rates;
    this.#calls = options.calls ?? { limit: limitLinks, remove: deleteLinks };
  }

  /** Notes what a running container has; `restore` makes it so. */
  adopt(cable: string, own: Rates): void {
    this.#own.set(cable, own);
  }

  /**
   * A cable that is in use gets these limits, and those of the network for what is left open; no request goes to the
   * kernel where there is no limit and was none. @throws EngineError `unavailable`; the limits are as before then.
   */
  async limit(cable: string, own: Rates): Promise<void> {
    const before = this.#own.get(cable) ?? noRates;
    this.#own.set(cable, own);
    if (!this.#isLimited(cable) && !this.#limited.has(cable)) return;
    this.#limited.add(cable);
    await this.#attempt(
      () => [this.#ofCable(cable)],
      () => void this.#own.set(cable, before),
    );
    if (!this.#isLimited(cable)) this.#limited.delete(cable);
  }

  /** A cable is gone, or was never made. */
  async forget(cable: string): Promise<void> {
    this.#own.delete(cable);
    if (this.#limited.delete(cable)) await this.#calls.remove([helperOf(cable)]);
  }

  /** Other limits for the network, at once. @throws EngineError `unavailable`; the limits are as before then. */
  async change(rates: NetworkRates): Promise<void> {
    const before = this.#rates;
    this.#rates = rates;
    await this.#attempt(
      () => this.#all(),
      () => void (this.#rates = before),
    );
  }

  /** The bridge was made anew. @throws EngineError `unavailable` */
  async limitBridge(): Promise<void> {
    const { total } = this.#rates;
    if (total.in !== undefined) await this.#calls.limit(ofBridge(this.#options, total)).catch(explain);
  }

  /** At boot: everything is as the records say, whatever an engine left. @throws EngineError `unavailable` */
  async restore(): Promise<void> {
    for (const cable of this.#own.keys()) this.#limited.add(cable);
    await this.#calls.limit(this.#all()).catch(explain);
    for (const cable of this.#own.keys()) if (!this.#isLimited(cable)) this.#limited.delete(cable);
  }

  /** True for a cable that may have a limit. */
  mayLimit(cable: string): boolean {
    return this.#limited.has(cable);
  }

  /** Names of the helpers that may be there. */
  helpers(): string[] {
    return [...this.#limited].map(helperOf);
  }

  async #attempt(links: () => readonly LinkLimits[], undo: () => void): Promise<void> {
    try {
      await this.#calls.limit(links()).catch(explain);
    } catch (error) {
      undo();
      await this.#calls.limit(links()).catch((failure: unknown) => {
        const { bridge, log } = this.#options;
        log.error('a bandwidth limit could not be put back', { bridge, reason: messageOf(failure) });
      });
      throw error;
    }
  }

  #isLimited(cable: string): boolean {
    const { in: into, out } = effective(this.#own.get(cable) ?? noRates, this.#rates.each);
    return into !== undefined || out !== undefined;
  }

  #all(): LinkLimits[] {
    for (const cable of this.#own.keys()) if (this.#isLimited(cable)) this.#limited.add(cable);
    return [...ofBridge(this.#options, this.#rates.total), ...[...this.#limited].map((cable) => this.#ofCable(cable))];
  }

  #ofCable(cable: string): LinkLimits {
    const rates = effective(this.#own.get(cable) ?? noRates, this.#rates.each);
    return linkLimits(cable, helperOf(cable), rates, this.#options.mtu);
  }
}

function ofBridge(options: BridgeRatesOptions, total: Rates): LinkLimits[] {
  const { bridge, owned, mtu } = options;
  return owned ? [linkLimits(bridge, undefined, { in: total.in ?? undefined, out: undefined }, mtu)] : [];
}

const linkLimits = (
  name: string,
  helper: string | undefined,
  rates: ReturnType<typeof effective>,
  mtu: number,
): LinkLimits => ({
  name,
  helper,
  sent: bucketOf(rates.in, mtu),
  received: bucketOf(rates.out, mtu),
});

const leastBurst = 16_384;
const [leastQueue, mostQueue] = [65_536, 1 << 26];
/** Of the rate: so much goes at once, and so much waits. */
const [burstSeconds, queueSeconds] = [0.01, 0.05];

/** Large enough that a timer of 100 Hz reaches the rate, and that the largest frame passes. */
function bucketOf(rate: number | undefined, mtu: number): LinkLimits['sent'] {
  if (rate === undefined) return undefined;
  const frame = 2 * (mtu + 64);
  const burst = Math.min(mostQueue, Math.max(leastBurst, frame, Math.round(rate * burstSeconds)));
  return { rate, burst, queue: Math.min(mostQueue, Math.max(leastQueue, 2 * frame, Math.round(rate * queueSeconds))) };
}

/** A cable's name has at most 14 bytes (`newInterfaceName`), a link's 15. */
const helperOf = (cable: string): string => `${cable}r`;

/** True for names of helpers that an engine with this prefix gives. */
export const isHelperName = (name: string, prefix: string): boolean =>
  name.startsWith(prefix) && /^[0-9a-f]{7}r$/.test(name.slice(prefix.length));

function explain(error: unknown): never {
  const code = systemCode(error) ?? '';
  const lacks = ['ENOENT', 'ENOTSUP', 'EOPNOTSUPP'].includes(code);
  const why = lacks ? ': the kernel lacks one of sch_tbf, sch_ingress, cls_u32, act_mirred and ifb' : '';
  throw new EngineError('unavailable', `bandwidth cannot be limited${why}: ${messageOf(error)}`, { cause: error });
}
