import { Mutex } from '../base/async.ts';
import { messageOf } from '../base/errors.ts';
import type { Digest, DiffId } from '../base/ids.ts';
import type { Logger } from '../base/log.ts';
import type { RecordChange, StateJournal } from '../spec/contract/state.ts';
import type { EventInput } from '../spec/engine/event.ts';
import { formatReference, type Reference } from '../spec/reference/reference.ts';
import type { LiveContent } from './ports.ts';
import {
  decodeImage,
  decodeName,
  encodeImage,
  encodeName,
  type ImageName,
  imageKind,
  nameKind,
  type StoredImage,
} from './records.ts';

/** What a verb changes: all of it becomes durable together. */
export interface CatalogChange {
  readonly putImages?: readonly StoredImage[];
  readonly deleteImages?: readonly Digest[];
  readonly putNames?: readonly ImageName[];
  readonly deleteNames?: readonly Reference[];
  readonly events?: readonly EventInput[];
  /** See `StateChange`. */
  readonly mayWait?: boolean;
}

/**
 * All images and names of the engine: in memory, and behind that in the state journal. Reads are synchronous; whoever
 * decides on what it read and then changes it does both inside `exclusive`.
 */
export class ImageCatalog {
  readonly #journal: StateJournal;
  readonly #images = new Map<Digest, StoredImage>();
  readonly #names = new Map<string, ImageName>();
  readonly #namesOfTarget = new Map<Digest, Map<string, ImageName>>();
  readonly #changes = new Mutex();
  /** Names of images that are not there: they point to them again when those come back. */
  readonly #lostNames = new Map<string, ImageName>();

  constructor(journal: StateJournal) {
    this.#journal = journal;
  }

  /** Reads the records at boot; what cannot be understood is set aside. */
  async load(log: Logger): Promise<void> {
    for (const image of await decoded(this.#journal, imageKind, decodeImage, log)) this.#images.set(image.id, image);
    for (const name of await decoded(this.#journal, nameKind, decodeName, log)) {
      if (this.#images.has(name.target)) this.#addName(name);
      else {
        const key = formatReference(name.reference);
        this.#lostNames.set(key, name);
        log.warn('image name without its image', { name: key, target: name.target });
      }
    }
  }

  /** Tells of something that changes no image. */
  async tell(event: EventInput): Promise<void> {
    await this.#journal.commit({ events: [event] });
  }

  /** Runs `decide` alone among all changes; what it returns is committed before anybody else may decide. */
  exclusive<T>(decide: (commit: (change: CatalogChange) => Promise<void>) => Promise<T>): Promise<T> {
    return this.#changes.run(() => decide((change) => this.#commit(change)));
  }

  /** Names whose image has no record, and is not known so. */
  get lostNames(): readonly ImageName[] {
    return [...this.#lostNames.values()];
  }

  image(id: Digest): StoredImage | undefined {
    return this.#images.get(id);
  }

  /** The images of this moment. */
  images(): readonly StoredImage[] {
    return [...this.#images.values()];
  }

  name(reference: Reference): ImageName | undefined {
    return this.#names.get(formatReference(reference));
  }

  /** Names that point to an image, in the order they were given. */
  namesOf(id: Digest): ImageName[] {
    const names = [...(this.#namesOfTarget.get(id)?.values() ?? [])];
    return names.sort((a, b) => (a.taggedNs < b.taggedNs ? -1 : a.taggedNs > b.taggedNs ? 1 : 0));
  }

  /** Everything that the images need of the store. */
  live(): LiveContent {
    const blobs = new Set<Digest>();
    const layers = new Set<DiffId>();
    for (const image of this.#images.values()) {
      for (const { digest } of image.blobs) blobs.add(digest);
      for (const variant of image.variants) for (const { diffId } of variant.layers) layers.add(diffId);
    }
    return { blobs, layers };
  }

  /** What a blob is known to unpack to, from an image that has it as a layer. */
  diffIdOf(blob: Digest): DiffId | undefined {
    for (const image of this.#images.values()) {
      for (const variant of image.variants) {
        const layer = variant.layers.find((candidate) => candidate.blob.digest === blob);
        if (layer !== undefined) return layer.diffId;
      }
    }
    return undefined;
  }

  async #commit(change: CatalogChange): Promise<void> {
    const { putImages = [], deleteImages = [], putNames = [], deleteNames = [], events = [], mayWait = false } = change;
    const records: RecordChange[] = [
      ...putImages.map((image) => ({ op: 'put' as const, kind: imageKind, id: image.id, value: encodeImage(image) })),
      ...deleteImages.map((id) => ({ op: 'delete' as const, kind: imageKind, id })),
      ...putNames.map((name) => ({
        op: 'put' as const,
        kind: nameKind,
        id: formatReference(name.reference),
        value: encodeName(name),
      })),
      ...deleteNames.map((name) => ({ op: 'delete' as const, kind: nameKind, id: formatReference(name) })),
    ];
    await this.#journal.commit({ records, events, mayWait });
    for (const image of putImages) this.#images.set(image.id, image);
    for (const name of deleteNames) this.#removeName(formatReference(name));
    for (const name of putNames) this.#addName(name);
    for (const id of deleteImages) this.#images.delete(id);
  }

  #addName(name: ImageName): void {
    const key = formatReference(name.reference);
    this.#removeName(key);
    this.#lostNames.delete(key);
    this.#names.set(key, name);
    const siblings = this.#namesOfTarget.get(name.target);
    if (siblings === undefined) this.#namesOfTarget.set(name.target, new Map([[key, name]]));
    else siblings.set(key, name);
  }

  #removeName(key: string): void {
    const name = this.#names.get(key);
    if (name === undefined) return;
    this.#names.delete(key);
    const siblings = this.#namesOfTarget.get(name.target);
    siblings?.delete(key);
    if (siblings?.size === 0) this.#namesOfTarget.delete(name.target);
  }
}

/** All records of a kind that can be understood; the others are set aside. */
async function decoded<T>(
  journal: StateJournal,
  kind: string,
  decode: (id: string, value: unknown) => T,
  log: Logger,
): Promise<T[]> {
  const all: T[] = [];
  for (const { id, value } of await journal.load(kind)) {
    try {
      all.push(decode(id, value));
    } catch (error) {
      log.error('set an unreadable record aside', { kind, id, error: messageOf(error) });
      await journal.aside.add({ kind, id, reason: messageOf(error) }, value);
    }
  }
  return all;
}
