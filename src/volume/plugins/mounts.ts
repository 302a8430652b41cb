import type { KeyedMutex } from '../../base/async.ts';
import { EngineError, internal, messageOf } from '../../base/errors.ts';
import { PluginRefusal } from '../../plugin/call.ts';
import type { PluginContext } from './book.ts';
import { checkMountpoint } from './mountpoint.ts';
import type { KnownVolume } from './record.ts';

/**
 * What plugins have mounted, and for whom. The record of a volume says so before the plugin is asked, and until it has
 * answered that it unmounted: a later engine gives back what nobody uses any more.
 */
export class PluginMounts {
  readonly #context: PluginContext;
  readonly #order: KeyedMutex<string>;
  /** Mounts that are to be given back: of an earlier engine, unless they are resumed, and of plugins that did not answer. */
  readonly #owed = new Map<string, Set<string>>();

  constructor(context: PluginContext, order: KeyedMutex<string>) {
    this.#context = context;
    this.#order = order;
    for (const { name, mounts } of context.book.list()) if (mounts.length > 0) this.#owed.set(name, new Set(mounts));
  }

  /** Has the plugin mount it for `id`; gives the directory of the host, which was checked. */
  mount(name: string, id: string): Promise<string> {
    return this.#order.run(name, async () => {
      const { book, drivers, own } = this.#context;
      const before = book.find(name);
      const plugin = await drivers.find(before.driver, 'patient', true);
      await this.#giveBack(name);
      await book.put({ ...book.find(name), mounts: [...new Set([...book.find(name).mounts, id])] });
      try {
        const mountpoint = await plugin.mount(name, id);
        await checkMountpoint(mountpoint, own).catch(async (error: unknown) => {
          await this.#unmountQuietly(before, id);
          throw error;
        });
        await book.put({ ...book.find(name), mountpoint });
        return mountpoint;
      } catch (error) {
        if (error instanceof PluginRefusal) await this.#drop(name, id);
        // Whether one that did not answer has it mounted nobody knows: it is asked to unmount when it can be.
        else if (!(error instanceof EngineError)) this.#owe(name, id);
        throw internal(`error while mounting volume '${before.mountpoint}': ${messageOf(error)}`, error);
      }
    });
  }

  /** No error, whatever the plugin says: what it could not be told now it is told later. */
  unmount(name: string, id: string): Promise<void> {
    return this.#order.run(name, async () => {
      const known = this.#context.book.get(name);
      if (known?.mounts.includes(id) === true) await this.#unmountQuietly(known, id);
    });
  }

  /** It has been mounted for `id` since an earlier engine, and is in use. */
  resume(name: string, id: string): void {
    this.#owed.get(name)?.delete(id);
  }

  /** Gives back what an earlier engine had mounted and nobody resumed; plugins may take their time. */
  async settle(): Promise<void> {
    // Those of now: one whose plugin does not answer stays owed.
    const names = [...this.#owed.keys()];
    for (const name of names) await this.#order.run(name, () => this.#giveBack(name));
  }

  async #giveBack(name: string): Promise<void> {
    const known = this.#context.book.get(name);
    const ids = this.#owed.get(name);
    this.#owed.delete(name);
    if (known !== undefined) for (const id of ids ?? []) await this.#unmountQuietly(known, id);
  }

  #owe(name: string, id: string): void {
    this.#owed.set(name, (this.#owed.get(name) ?? new Set<string>()).add(id));
  }

  async #unmountQuietly({ name, driver }: KnownVolume, id: string): Promise<void> {
    const { drivers, log } = this.#context;
    try {
      await (await drivers.find(driver)).unmount(name, id);
    } catch (error) {
      log.error('a plugin did not unmount a volume', { volume: name, plugin: driver, reason: messageOf(error) });
      if (!(error instanceof PluginRefusal)) return this.#owe(name, id);
    }
    await this.#drop(name, id);
  }

  async #drop(name: string, id: string): Promise<void> {
    const { book } = this.#context;
    const known = book.get(name);
    if (known === undefined) return;
    const mounts = known.mounts.filter((other) => other !== id);
    await book.put({ ...known, mounts, mountpoint: mounts.length === 0 ? '' : known.mountpoint });
  }
}
