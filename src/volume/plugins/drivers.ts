import { messageOf, notFound, EngineError, codeOf, internal } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { callPlugin, fieldOf } from '../../plugin/call.ts';
import { findPlugins, locatePlugin, type PluginAddress, type PluginFolders } from '../../plugin/locate.ts';
import { type Patience, type PluginTimes, usualTimes, VolumePlugin } from './driver.ts';

export interface DriverOptions {
  readonly folders: PluginFolders;
  readonly log: Logger;
  readonly times?: PluginTimes;
}

/** What implements volumes, in Docker's words. */
const capability = 'VolumeDriver';
/** So long, in milliseconds, a plugin that was late is not asked when all are. */
const restAfterLateness = 30_000;

/** The volume plugins of the host: found by their sockets and descriptions, greeted once, asked at each use. */
export class VolumeDrivers {
  readonly #folders: PluginFolders;
  readonly #times: PluginTimes;
  readonly #log: Logger;
  readonly #closing = new AbortController();
  readonly #known = new Map<string, VolumePlugin>();
  /** Plugins that are none for volumes. */
  readonly #others = new Set<string>();
  readonly #greeting = new Map<string, Promise<VolumePlugin>>();
  readonly #late = new Map<string, number>();

  constructor({ folders, log, times = usualTimes }: DriverOptions) {
    this.#folders = folders;
    this.#times = times;
    this.#log = log;
  }

  /** Ends whatever plugins are being asked. */
  close(): void {
    this.#closing.abort();
  }

  /**
   * The plugin of that name. A `patient` caller waits for one that may be starting, also when there is nothing of it yet.
   * @throws EngineError in Docker's words: not-found when there is none
   */
  async find(name: string, patience: Patience = 'patient', waitsToAppear = false): Promise<VolumePlugin> {
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    try {
      if (!waitsToAppear) await this.#locate(name);
      return await this.#greet(name, patience);
    } catch (error) {
      const why =
        codeOf(error) === 'invalid' ? `plugin ${JSON.stringify(name.slice(0, 200))} not found` : messageOf(error);
      const message = `error looking up volume plugin ${name.slice(0, 200)}: ${why}`;
      throw codeOf(error) === 'internal' ? internal(message, error) : notFound(message);
    }
  }

  /** All that are there now and can be reached at once. */
  async all(): Promise<VolumePlugin[]> {
    const found = (await findPlugins(this.#folders)).filter((name) => !this.#others.has(name) && !this.isResting(name));
    const plugins = found.map((name) => this.find(name, 'probe').catch((error: unknown) => this.#missed(name, error)));
    return (await Promise.all(plugins)).filter((plugin) => plugin !== undefined);
  }

  /** A plugin did not answer a question that was put to all: it is passed by for a while. */
  wasLate(name: string): void {
    this.#late.set(name, performance.now() + restAfterLateness);
  }

  isResting(name: string): boolean {
    const until = this.#late.get(name);
    if (until === undefined) return false;
    if (until > performance.now()) return true;
    this.#late.delete(name);
    return false;
  }

  #missed(name: string, error: unknown): undefined {
    this.#log.warn('a plugin cannot be used', { plugin: name, reason: messageOf(error) });
    if (!this.#others.has(name)) this.wasLate(name);
  }

  readonly #locate = (name: string): Promise<PluginAddress> => locatePlugin(name, this.#folders);

  #greet(name: string, patience: Patience): Promise<VolumePlugin> {
    const present = this.#greeting.get(name);
    if (present !== undefined) return present;
    const greeting = this.#greetOnce(name, patience).finally(() => this.#greeting.delete(name));
    this.#greeting.set(name, greeting);
    return greeting;
  }

  async #greetOnce(name: string, patience: Patience): Promise<VolumePlugin> {
    const locate = () => this.#locate(name);
    const { signal } = this.#closing;
    const isPatient = patience === 'patient';
    const answer = await callPlugin(locate, 'Plugin.Activate', undefined, {
      pauses: isPatient ? this.#times.pauses : [],
      timeoutMs: isPatient ? this.#times.short : this.#times.probe,
      signal,
    });
    const implemented = fieldOf(answer, 'Implements');
    if (!Array.isArray(implemented) || !implemented.includes(capability)) {
      this.#others.add(name);
      const asked = `plugin=${JSON.stringify(name)}, requested implementation="${capability}"`;
      throw new EngineError('internal', `Plugin does not implement the requested driver: ${asked}`);
    }
    this.#others.delete(name);
    this.#late.delete(name);
    const plugin = new VolumePlugin(name, locate, this.#times, signal);
    this.#known.set(name, plugin);
    return plugin;
  }
}
