import { KeyedMutex } from '../../base/async.ts';
import { codeOf, conflict, messageOf } from '../../base/errors.ts';
import type { VolumeRequest } from '../../spec/contract/storage.ts';
import type { EventInput } from '../../spec/engine/event.ts';
import { anonymousLabel } from '../local.ts';
import type { PluginContext } from './book.ts';
import {
  describeKnown,
  type FoundVolume,
  inspectPluginVolume,
  listPluginVolumes,
  probePlugins,
  withContext,
} from './look.ts';
import { PluginMounts } from './mounts.ts';
import type { KnownVolume } from './record.ts';

/** The volumes that plugins hold. `users` says how many containers refer to a volume. */
export class PluginVolumes {
  readonly mounts: PluginMounts;
  readonly #context: PluginContext;
  readonly #users: (name: string) => number;
  readonly #order = new KeyedMutex<string>();

  constructor(context: PluginContext, users: (name: string) => number) {
    this.#context = context;
    this.#users = users;
    this.mounts = new PluginMounts(context, this.#order);
  }

  get(name: string): KnownVolume | undefined {
    return this.#context.book.get(name);
  }

  list(): readonly KnownVolume[] {
    return this.#context.book.list();
  }

  inspect(name: string): Promise<FoundVolume> {
    return inspectPluginVolume(this.#context, name);
  }

  listAll(): Promise<{ readonly volumes: FoundVolume[]; readonly warnings: string[] }> {
    return listPluginVolumes(this.#context);
  }

  /** @throws not-found, as `create` of a volume would */
  async mustBeDriver(name: string, driver: string): Promise<void> {
    await this.#context.drivers.find(driver).catch((error: unknown) => {
      throw withContext(`create ${name}`, error);
    });
  }

  /** The volume of that name that any plugin has, known from now on; undefined when none has. */
  async claim(name: string): Promise<KnownVolume | undefined> {
    const found = await probePlugins(this.#context, name);
    if (found !== undefined) await this.#context.book.put(found.volume);
    return found?.volume;
  }

  /**
   * The volume of that name of a plugin, made when there is none.
   * @throws as the plugin refuses; conflict when containers refer to one that the plugin has no more
   */
  ensure(name: string, driver: string, request: VolumeRequest): Promise<KnownVolume> {
    return this.#order.run(name, async () => {
      const { book, drivers } = this.#context;
      const known = book.get(name);
      if (known !== undefined && (await this.#isStillThere(known))) return known;
      try {
        const plugin = await drivers.find(driver);
        const isThere = (await plugin.get(name)) !== undefined;
        if (!isThere) await plugin.create(name, request.options ?? {});
        const anonymous = request.name === undefined;
        const volume: KnownVolume = {
          name,
          driver,
          mountpoint: '',
          labels: { ...request.labels, ...(anonymous ? { [anonymousLabel]: '' } : {}) },
          options: request.options ?? {},
          createdNs: this.#context.clock.nowNs(),
          anonymous,
          scope: await plugin.scope(),
          mounts: [],
        };
        await book.put(volume, [pluginVolumeEvent('create', volume)]);
        return volume;
      } catch (error) {
        throw withContext(`create ${name}`, error);
      }
    });
  }

  /**
   * With `force` a volume whose plugin is gone or refuses is forgotten all the same.
   * @throws not-found; as the plugin refuses
   */
  remove(name: string, { force = false }: { force?: boolean } = {}): Promise<void> {
    return this.#order.run(name, async () => {
      const { book, drivers } = this.#context;
      const known = book.get(name);
      const found = await inspectPluginVolume(this.#context, name, force ? 'probe' : 'patient').catch(
        async (error: unknown) => {
          if (force && known !== undefined) return undefined;
          // What its plugin has no more is forgotten.
          if (codeOf(error) === 'not-found' && known !== undefined) await book.forget(name);
          throw error;
        },
      );
      const driver = known?.driver ?? found?.volume.driver ?? '';
      try {
        if (found !== undefined) await (await drivers.find(driver)).remove(name);
      } catch (error) {
        if (force) await book.forget(name);
        throw withContext(`remove ${name}`, error);
      }
      await book.forget(name, [pluginVolumeEvent('destroy', { name, driver })]);
    });
  }

  /** One that the plugin lost is forgotten, unless containers refer to it. */
  async #isStillThere(known: KnownVolume): Promise<boolean> {
    const { name, driver } = known;
    const found = await describeKnown(this.#context, known, 'patient').catch((error: unknown) => {
      const why = `found reference to volume '${name}' in driver '${driver}', but got an error while checking the driver`;
      throw conflict(
        `create ${name}: ${why}: ${messageOf(error).replace(`get ${name}: `, '')}: volume name must be unique`,
      );
    });
    if (found !== undefined) return true;
    if (this.#users(name) > 0) {
      const why = `found references to volume '${name}' in driver '${driver}' but the volume was not found in the driver`;
      const advice =
        'you may need to remove containers referencing this volume or force remove the volume to re-create it';
      throw conflict(`create ${name}: ${why} -- ${advice}: volume name must be unique`);
    }
    await this.#context.book.forget(name);
    return false;
  }
}

const pluginVolumeEvent = (action: string, { name, driver }: { name: string; driver: string }): EventInput => ({
  type: 'volume',
  action,
  actorId: name,
  attributes: { driver },
});
