import type { EngineConfig } from './config.ts';

/** The configuration as it is now: a reload replaces the parts of it that may change while the engine runs. */
export class LiveConfig {
  #current: EngineConfig;
  readonly #listeners: ((config: EngineConfig) => void)[] = [];

  constructor(config: EngineConfig) {
    this.#current = config;
  }

  get current(): EngineConfig {
    return this.#current;
  }

  /** `listener` is called with each new configuration. */
  onChange(listener: (config: EngineConfig) => void): void {
    this.#listeners.push(listener);
  }

  /** Takes what may change out of `next`; everything else stays until the next start. Gives the configuration of now. */
  reload(next: EngineConfig): EngineConfig {
    const {
      logLevel,
      labels,
      registry,
      budget,
      trust,
      runtimes,
      defaultRuntime,
      features,
      shutdownTimeout,
      authorizationPlugins,
    } = next;
    this.#current = {
      ...this.#current,
      logLevel,
      labels,
      registry,
      budget,
      trust,
      runtimes,
      defaultRuntime,
      features,
      shutdownTimeout,
      authorizationPlugins,
    };
    for (const listener of this.#listeners) listener(this.#current);
    return this.#current;
  }
}
