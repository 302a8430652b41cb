import { KeyedMutex } from '../base/async.ts';
import { EngineError, messageOf } from '../base/errors.ts';
import { type Digest, type DiffId, hexOf, parseDiffId, parseDigest } from '../base/ids.ts';
import type { Logger } from '../base/log.ts';
import type { StateJournal } from '../spec/contract/state.ts';
import type { ImageMountPlaces } from '../spec/contract/storage.ts';
import type { EventInput } from '../spec/engine/event.ts';
import { objectOf, optionalList, requiredString } from '../spec/oci/json.ts';

/** One platform of an image that is mounted on the host. */
export interface MountedImage {
  readonly image: Digest;
  readonly manifest: Digest;
  readonly platform: string;
  /** Lowest first. */
  readonly layers: readonly DiffId[];
  /** How often it was mounted and not unmounted. */
  readonly count: number;
}

const kind = 'image-mount';

/** Mounts of images on the host, durable: after a restart what was mounted is mounted again, and counted as before. */
export class MountedImages {
  readonly #journal: StateJournal;
  readonly #places: ImageMountPlaces | undefined;
  readonly #mounted = new Map<Digest, MountedImage>();
  readonly #order = new KeyedMutex<Digest>();

  constructor(journal: StateJournal, places: ImageMountPlaces | undefined) {
    this.#journal = journal;
    this.#places = places;
  }

  list(): readonly (MountedImage & { readonly path: string })[] {
    const counted = [...this.#mounted.values()].filter(({ count }) => count > 0);
    return counted.map((mounted) => ({ ...mounted, path: this.#pathOf(mounted.manifest) }));
  }

  /** Where an image, or one manifest of it, is mounted; it must not be deleted then. */
  pathOf(image: Digest, manifest?: Digest): string | undefined {
    for (const mounted of this.#mounted.values()) {
      if (mounted.image === image && (manifest ?? mounted.manifest) === mounted.manifest) {
        return this.#pathOf(mounted.manifest);
      }
    }
    return undefined;
  }

  /** Mounts it, or counts one more. From the call on the image is not deleted; `event` is told with the record. */
  add(wanted: Omit<MountedImage, 'count'>, event: EventInput): Promise<MountedImage & { readonly path: string }> {
    const { manifest } = wanted;
    const places = this.#required();
    const known = this.#mounted.get(manifest);
    if (known === undefined) this.#mounted.set(manifest, { ...wanted, count: 0 });
    return this.#order.run(manifest, async () => {
      const before = this.#mounted.get(manifest) ?? { ...wanted, count: 0 };
      const after = { ...before, count: before.count + 1 };
      try {
        const path = await places.mount(hexOf(manifest), wanted.layers);
        await this.#put(after, [event]);
        return { ...after, path };
      } catch (error) {
        if (before.count === 0) {
          await places.unmount(hexOf(manifest), { force: true });
          this.#mounted.delete(manifest);
        }
        throw error;
      }
    });
  }

  /** Counts one less; the last, or force, unmounts it. @throws conflict while a process of the host is in there */
  remove({ manifest }: MountedImage, force: boolean, event: EventInput): Promise<void> {
    return this.#order.run(manifest, async () => {
      const before = this.#mounted.get(manifest);
      if (before === undefined) return;
      if (!force && before.count > 1) return this.#put({ ...before, count: before.count - 1 }, [event]);
      await this.#required().unmount(hexOf(manifest), { force });
      await this.#journal.commit({ records: [{ op: 'delete', kind, id: manifest }], events: [event] });
      this.#mounted.delete(manifest);
    });
  }

  /** At boot: mounts again what was mounted; records of images that are gone, and what cannot be mounted, are forgotten. */
  async restore(isKnown: (image: Digest) => boolean, log: Logger): Promise<void> {
    if (this.#places === undefined) return;
    for (const { id, value } of await this.#journal.load(kind)) {
      try {
        const mounted = decode(id, value);
        if (!isKnown(mounted.image)) throw new EngineError('not-found', 'its image is gone');
        this.#mounted.set(mounted.manifest, mounted);
      } catch (error) {
        await this.#forget(id, error, log);
      }
    }
    const layers = [...this.#mounted.values()].map((mounted) => [hexOf(mounted.manifest), mounted.layers] as const);
    const failed = await this.#places.restore(new Map(layers));
    for (const [name, error] of failed) {
      const manifest = parseDigest(`sha256:${name}`);
      this.#mounted.delete(manifest);
      await this.#forget(manifest, error, log);
    }
  }

  async #forget(id: string, error: unknown, log: Logger): Promise<void> {
    log.warn('an image is not mounted any more', { id, reason: messageOf(error) });
    await this.#journal.commit({ records: [{ op: 'delete', kind, id }] });
  }

  async #put(mounted: MountedImage, events: readonly EventInput[]): Promise<void> {
    const { image, platform, layers, count } = mounted;
    const value = { version: 1, image, platform, layers, count };
    await this.#journal.commit({ records: [{ op: 'put', kind, id: mounted.manifest, value }], events });
    this.#mounted.set(mounted.manifest, mounted);
  }

  #pathOf(manifest: Digest): string {
    return this.#required().pathOf(hexOf(manifest));
  }

  #required(): ImageMountPlaces {
    if (this.#places === undefined) throw new EngineError('unavailable', 'this engine cannot mount images');
    return this.#places;
  }
}

function decode(id: string, value: unknown): MountedImage {
  const json = objectOf(value, 'image mount');
  const { count } = json;
  if (typeof count !== 'number' || !Number.isSafeInteger(count) || count < 1) throw new Error('count is no number');
  return {
    image: parseDigest(requiredString(json['image'], 'image')),
    manifest: parseDigest(id),
    platform: requiredString(json['platform'], 'platform'),
    layers: optionalList(json['layers'], 'layers', 10_000, (layer) => parseDiffId(layer as string)) ?? [],
    count,
  };
}
