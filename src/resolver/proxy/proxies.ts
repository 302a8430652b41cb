import { Mutex } from '../../base/async.ts';
import { type ProxiedPort, proxiedPortKey } from '../../spec/resolver/proxy.ts';
import { proxyTcp } from './tcp.ts';
import { proxyUdp } from './udp.ts';

/** A port that could not be had, and why. */
export interface ProxyFailure {
  readonly port: ProxiedPort;
  readonly reason: string;
}

/** The ports that are proxied now. */
export class Proxies {
  readonly #open = new Map<string, { port: ProxiedPort; proxy: AsyncDisposable }>();
  readonly #turn = new Mutex();

  get ports(): ProxiedPort[] {
    return [...this.#open.values()].map(({ port }) => port);
  }

  /** Closes what is not wanted any more, opens what is new, leaves the rest alone. Calls take turns. */
  set(wanted: readonly ProxiedPort[]): Promise<{ failures: readonly ProxyFailure[] }> {
    return this.#turn.run(() => this.#set(wanted));
  }

  /** Closes and opens some; the rest is as it was. Calls take turns. */
  change(some: {
    readonly remove: readonly ProxiedPort[];
    readonly add: readonly ProxiedPort[];
  }): Promise<{ failures: readonly ProxyFailure[] }> {
    return this.#turn.run(async () => {
      for (const port of some.remove) await this.#close(proxiedPortKey(port));
      return this.#openAll(some.add);
    });
  }

  async #set(wanted: readonly ProxiedPort[]): Promise<{ failures: readonly ProxyFailure[] }> {
    const keys = new Set(wanted.map(proxiedPortKey));
    for (const key of this.#open.keys()) if (!keys.has(key)) await this.#close(key);
    return this.#openAll(wanted);
  }

  async #close(key: string): Promise<void> {
    const open = this.#open.get(key);
    this.#open.delete(key);
    await open?.proxy[Symbol.asyncDispose]();
  }

  async #openAll(wanted: readonly ProxiedPort[]): Promise<{ failures: readonly ProxyFailure[] }> {
    const failures: ProxyFailure[] = [];
    for (const port of wanted) {
      const key = proxiedPortKey(port);
      if (this.#open.has(key)) continue;
      try {
        this.#open.set(key, { port, proxy: await (port.protocol === 'tcp' ? proxyTcp(port) : proxyUdp(port)) });
      } catch (error) {
        failures.push({ port, reason: error instanceof Error ? error.message : String(error) });
      }
    }
    return { failures };
  }
}
