import type { EngineConfig } from './config.ts';

/** What a reload changes. */
const changeable = [
  'logLevel',
  'labels',
  'registry',
  'budget',
  'trust',
  'runtimes',
  'defaultRuntime',
  'features',
  'shutdownTimeout',
  'authorizationPlugins',
] as const satisfies readonly (keyof EngineConfig)[];

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
    const changed = Object.fromEntries(changeable.map((key) => [key, next[key]]));
    this.#current = { ...this.#current, ...(changed as Pick<EngineConfig, (typeof changeable)[number]>) };
    for (const listener of this.#listeners) listener(this.#current);
    return this.#current;
  }
}
