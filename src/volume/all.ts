import { KeyedMutex } from '../base/async.ts';
import { codeOf, conflict, invalid, messageOf } from '../base/errors.ts';
import { type ContainerId, randomHex64 } from '../base/ids.ts';
import type { Volume, VolumeRequest, Volumes } from '../spec/contract/storage.ts';
import { closeFd } from '../sys/ffi/descriptor.ts';
import { copyUp, openCopySource } from './copy-up.ts';
import type { OwnedVolumes } from './local.ts';
import type { PluginVolumes } from './plugins/volumes.ts';

const isLocal = (driver: string | undefined): boolean => driver === undefined || driver === '' || driver === 'local';

/** The volumes of the driver `local` and of all plugins, under one set of names: a name means one volume, whoever has it. */
export class AllVolumes implements Volumes {
  readonly local: OwnedVolumes;
  readonly plugins: PluginVolumes;
  readonly #order = new KeyedMutex<string>();

  constructor(local: OwnedVolumes, plugins: PluginVolumes) {
    this.local = local;
    this.plugins = plugins;
  }

  async ensure(request: VolumeRequest): Promise<Volume> {
    const { driver } = request;
    const name = request.name ?? randomHex64();
    return this.#order.run(name, async () => {
      const existing = this.get(name);
      const isOther = driver !== undefined && driver !== '' && existing !== undefined && existing.driver !== driver;
      if (isOther) {
        if (!isLocal(driver)) await this.plugins.mustBeDriver(name, driver);
        const what = `driver '${existing.driver}' already has volume '${name}'`;
        throw conflict(`create ${name}: ${what}: volume name must be unique`);
      }
      if (existing?.driver === 'local') return existing;
      if (existing !== undefined) return this.plugins.ensure(name, existing.driver, request);
      if (!isLocal(driver)) {
        checkPluginVolumeName(name);
        return this.plugins.ensure(name, driver ?? '', request);
      }
      // One that a plugin has already, unless the request says otherwise.
      const isOpen = (driver ?? '') === '' && request.name !== undefined;
      const claimed = isOpen ? await this.plugins.claim(name) : undefined;
      return claimed ?? this.local.ensure(request);
    });
  }

  get(name: string): Volume | undefined {
    return this.local.get(name) ?? this.plugins.get(name);
  }

  list(): readonly Volume[] {
    return [...this.local.list(), ...this.plugins.list()];
  }

  remove(name: string, options: { force?: boolean } = {}): Promise<void> {
    return this.#order.run(name, async () => {
      if (this.local.get(name) !== undefined) return this.local.remove(name, options);
      const users = this.users(name);
      if (users.length > 0) throw conflict(`remove ${name}: volume is in use - [${users.join(', ')}]`);
      try {
        await this.plugins.remove(name, options);
      } catch (error) {
        if (options.force !== true || codeOf(error) !== 'not-found') throw error;
      }
    });
  }

  async mount(name: string, containerId: ContainerId): Promise<void> {
    if (!isOfPlugin(this, name)) return this.local.mount(name, containerId);
    await this.plugins.mounts.mount(name, containerId);
  }

  unmount(name: string, containerId: ContainerId): Promise<void> {
    return (isOfPlugin(this, name) ? this.plugins.mounts : this.local).unmount(name, containerId);
  }

  async resume(name: string, containerId: ContainerId): Promise<void> {
    if (!isOfPlugin(this, name)) return this.local.mount(name, containerId);
    this.plugins.mounts.resume(name, containerId);
  }

  async settle(): Promise<void> {
    await Promise.all([this.plugins.mounts.settle(), sweepMounts(this.local)]);
  }

  retain(name: string, containerId: ContainerId): void {
    this.local.retain(name, containerId);
  }

  release(name: string, containerId: ContainerId): void {
    this.local.release(name, containerId);
  }

  users(name: string): readonly ContainerId[] {
    return this.local.users(name);
  }

  async copyUp(name: string, root: string, path: string): Promise<void> {
    if (!isOfPlugin(this, name)) return this.local.copyUp(name, root, path);
    // Looked for first: without it the plugin need not be asked.
    const source = await openCopySource(root, path);
    if (source === undefined) return;
    const id = randomHex64();
    try {
      const data = await this.plugins.mounts.mount(name, id);
      await copyUp({ source, data, staging: '', exclusive: this.users(name).length <= 1, mounted: true });
    } finally {
      closeFd(source);
      await this.plugins.mounts.unmount(name, id);
    }
  }
}

/** Gives back what an earlier engine mounted for containers that ended while there was no engine. */
async function sweepMounts({ state }: OwnedVolumes): Promise<void> {
  for (const name of state.volumes.keys()) {
    const swept = state.order.run(name, async () => {
      const volume = state.volumes.get(name);
      if (volume === undefined || !(await state.mounts.sweep(volume))) return;
      state.log.info('unmounted a volume that nobody runs with', { volume: name });
    });
    await swept.catch((error: unknown) =>
      state.log.error('a volume that nobody runs with was not unmounted', { volume: name, reason: messageOf(error) }),
    );
  }
}

const isOfPlugin = ({ local, plugins }: AllVolumes, name: string): boolean =>
  local.get(name) === undefined && plugins.get(name) !== undefined;

/** Plugins have their own grammars; what is shown in lists and events must be one line. @throws EngineError `invalid` */
function checkPluginVolumeName(name: string): void {
  if (name.length <= 255 && !/\p{Cc}/u.test(name)) return;
  throw invalid(
    `create ${JSON.stringify(name.slice(0, 100))}: a volume name has at most 255 characters, none of control`,
  );
}
