import { internal } from '../../base/errors.ts';
import { type CallOptions, callPlugin, fieldOf, PluginRefusal, usualPauses } from '../../plugin/call.ts';
import type { PluginAddress } from '../../plugin/locate.ts';

/** A volume as its plugin describes it. */
export interface DescribedVolume {
  readonly name: string;
  /** Empty when the plugin does not tell. */
  readonly mountpoint: string;
  /** RFC 3339; undefined when the plugin does not tell. */
  readonly createdAt: string | undefined;
  readonly status: Readonly<Record<string, unknown>> | undefined;
}

/** Milliseconds that a plugin may take. */
export interface PluginTimes {
  /** `Create`, `Mount`; Docker's. */
  readonly long: number;
  /** All others; Docker's. */
  readonly short: number;
  /** Questions that are put to all plugins, where the one that is late is left out. */
  readonly probe: number;
  /** Waits before further tries to reach one. */
  readonly pauses: readonly number[];
}

export const usualTimes: PluginTimes = { long: 120_000, short: 60_000, probe: 5_000, pauses: usualPauses };

/** Some 30,000 volumes. */
const mostListBytes = 8 * 1024 * 1024;
const mostNameLength = 1024;

/** How eagerly a plugin is asked: tried again while it may be starting, or once and not for long. */
export type Patience = 'patient' | 'probe';

/** One plugin that implements `VolumeDriver` (Docker's protocol of volume plugins). */
export class VolumePlugin {
  readonly name: string;
  readonly #locate: () => Promise<PluginAddress>;
  readonly #times: PluginTimes;
  readonly #signal: AbortSignal;
  #scope: 'local' | 'global' | undefined;

  /** `signal` ends all that it is being asked. */
  constructor(name: string, locate: () => Promise<PluginAddress>, times: PluginTimes, signal: AbortSignal) {
    this.name = name;
    this.#locate = locate;
    this.#times = times;
    this.#signal = signal;
  }

  async create(name: string, options: Readonly<Record<string, string>>): Promise<void> {
    await this.#ask('Create', { Name: name, Opts: options }, { timeoutMs: this.#times.long });
  }

  async remove(name: string): Promise<void> {
    await this.#ask('Remove', { Name: name });
  }

  /** The absolute path at which the volume is now. `id` says for whom, and is given to `unmount` again. */
  async mount(name: string, id: string): Promise<string> {
    const answer = await this.#ask('Mount', { Name: name, ID: id }, { timeoutMs: this.#times.long });
    return textOf(answer, 'Mountpoint');
  }

  async unmount(name: string, id: string): Promise<void> {
    await this.#ask('Unmount', { Name: name, ID: id });
  }

  /** Undefined when the plugin says, in whatever words, that it has none. @throws when it cannot be asked */
  async get(name: string, patience: Patience = 'patient'): Promise<DescribedVolume | undefined> {
    let answer: unknown;
    try {
      answer = fieldOf(await this.#ask('Get', { Name: name }, this.#patience(patience)), 'Volume') ?? undefined;
    } catch (error) {
      if (error instanceof PluginRefusal && error.inWords) return undefined;
      throw error;
    }
    const volume = describedVolume(answer);
    if (answer !== undefined && volume === undefined) throw internal('VolumeDriver.Get: the answer is no volume');
    return volume;
  }

  async list(): Promise<DescribedVolume[]> {
    const answer = await this.#ask('List', {}, { ...this.#patience('probe'), mostBytes: mostListBytes });
    const volumes = fieldOf(answer, 'Volumes') ?? [];
    if (!Array.isArray(volumes)) throw internal('VolumeDriver.List: the answer has no list of volumes');
    return volumes.flatMap((volume) => describedVolume(volume) ?? []);
  }

  /** Where its volumes are; `local` when it does not say. */
  async scope(): Promise<'local' | 'global'> {
    if (this.#scope !== undefined) return this.#scope;
    try {
      const answer = await this.#ask('Capabilities', {}, this.#patience('probe'));
      const said = textOf(fieldOf(answer, 'Capabilities'), 'Scope').toLowerCase();
      this.#scope = said === 'global' ? 'global' : 'local';
    } catch (error) {
      // It need not know the method at all.
      if (!(error instanceof PluginRefusal)) return 'local';
      this.#scope = 'local';
    }
    return this.#scope;
  }

  #patience(patience: Patience): Partial<CallOptions> {
    return patience === 'probe' ? { pauses: [], timeoutMs: this.#times.probe } : {};
  }

  async #ask(method: string, question: object, options: Partial<CallOptions> = {}): Promise<unknown> {
    const { short: timeoutMs, pauses } = this.#times;
    const answer = await callPlugin(this.#locate, `VolumeDriver.${method}`, question, {
      pauses,
      timeoutMs,
      ...options,
      signal: this.#signal,
    });
    const refusal = fieldOf(answer, 'Err') ?? '';
    if (typeof answer !== 'object' || answer === null || Array.isArray(answer) || typeof refusal !== 'string') {
      throw new PluginRefusal(`VolumeDriver.${method}: the answer is no object of the protocol`, { inWords: false });
    }
    if (refusal !== '') throw new PluginRefusal(refusal.slice(0, 4096), { inWords: true });
    return answer;
  }
}

function textOf(answer: unknown, field: string): string {
  const value = fieldOf(answer, field);
  return typeof value === 'string' ? value : '';
}

/** Undefined for what is no volume. */
function describedVolume(value: unknown): DescribedVolume | undefined {
  const name = textOf(value, 'Name');
  if (name === '' || name.length > mostNameLength) return undefined;
  const status = fieldOf(value, 'Status');
  const createdAt = textOf(value, 'CreatedAt');
  return {
    name,
    mountpoint: textOf(value, 'Mountpoint').slice(0, 4096),
    createdAt: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/.test(createdAt) ? createdAt.slice(0, 64) : undefined,
    status:
      typeof status === 'object' && status !== null && !Array.isArray(status)
        ? (status as Record<string, unknown>)
        : undefined,
  };
}
