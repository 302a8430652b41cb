import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { plainEntry, type TarEntry } from '../archive/tar/entry.ts';
import { writeTar } from '../archive/tar/write.ts';
import { systemClock } from '../base/clock.ts';
import type { ImageMountPlaces } from '../spec/contract/storage.ts';
import { EngineError } from '../base/errors.ts';
import { type Digest, type DiffId, digestOfHex, hexOf } from '../base/ids.ts';
import { silentLogger } from '../base/log.ts';
import { type ByteStream, concatBytes, readAll } from '../base/stream.ts';
import { AsideBook } from '../events/aside.ts';
import type { RegistryClient, RemoteRepository } from '../registry/client/client.ts';
import type { StateJournal } from '../spec/contract/state.ts';
import type { TrustPolicy } from '../spec/contract/trust.ts';
import type { JournalEvent } from '../spec/engine/event.ts';
import type { ProgressMessage } from '../spec/engine/progress.ts';
import { type Descriptor, mediaTypes } from '../spec/oci/image.ts';
import { openBlobStore } from '../store/blobs/blobs.ts';
import { openLayers } from '../store/layers/open.ts';
import { collectGarbage } from '../store/gc.ts';
import { LeaseBook } from '../store/leases.ts';
import type { OwnedSnapshots } from '../store/snapshots/snapshots.ts';
import type { LiveContent } from './ports.ts';
import { type ImageService, openImages } from './service.ts';

/** What tests of this room share: the service on a real content store below a temporary folder, without mounts. */
export interface TestImages {
  images: ImageService;
  /** Digests of all blobs and layers in the store. */
  stored(): Promise<{ blobs: Digest[]; layers: DiffId[] }>;
  /** Events so far, as `action name`. */
  readonly events: string[];
  /** Where a blob's file is. */
  blobPath(digest: Digest): string;
  /** Deletes a layer behind the service's back. */
  loseLayer(diffId: DiffId): Promise<void>;
  /** Lets a record of an image be one that cannot be read. */
  loseRecord(): Promise<void>;
  /** Bytes of all blobs and layers in the store. */
  diskBytes(): Promise<number>;
  /** Lets the service believe that so many nanoseconds have passed. */
  skipTime(ns: bigint): void;
  readonly running: Set<string>;
  /** Which images may be used: all by default. */
  readonly trust: { policy: TrustPolicy };
  /** The records behind the service's back. */
  readonly journal: StateJournal;
  /** What the registry has, by tag and digest. */
  readonly remote: Map<string, Uint8Array>;
  /** Blobs whose transfer breaks after so many bytes. */
  readonly cuts: Map<string, number>;
  /** Requests for blobs so far, with the offset they begin at. */
  readonly asked: [digest: string, from: number][];
  /** Holds the next transfer of a blob after its first byte. */
  hold(digest: Digest): { begun: Promise<void>; release: () => void };
  /** Opens the service anew on the same store and records, as after a restart. */
  reopen(): Promise<void>;
  load(archive: ByteStream | Iterable<Uint8Array>, platforms?: readonly string[]): Promise<string[]>;
  pull(reference: string, platform?: string): Promise<ProgressMessage[]>;
}

/** `registry` replaces the one in memory; without `imageMounts` no image can be mounted. */
export async function openTestImages(
  context: TestContext,
  registry?: RegistryClient,
  imageMounts?: ImageMountPlaces,
): Promise<TestImages> {
  const { blobs, layers, store } = await openTestStore(context);
  const { journal, events } = memoryJournal();
  const { held, hold } = holds();
  const running = new Set<string>();
  const trust = { policy: acceptAll };
  const [remote, cuts] = [new Map<string, Uint8Array>(), new Map<string, number>()];
  const asked: [string, number][] = [];
  let skippedNs = 0n;
  const open = () =>
    openImages({
      journal,
      store: imageMounts === undefined ? store : { ...store, imageMounts },
      registry: registry ?? memoryRegistry({ remote, cuts, asked }, held),
      log: silentLogger,
      clock: { ...systemClock, nowNs: () => systemClock.nowNs() + skippedNs },
      isRunning: (id) => running.has(id),
      trust: () => trust.policy,
      platform: { os: 'linux', architecture: 'amd64' },
    });
  const test: TestImages = {
    images: await open(),
    events,
    blobPath: (digest) => blobs.path(digest),
    loseLayer: (diffId) => layers.delete(diffId),
    running,
    trust,
    journal,
    remote,
    cuts,
    asked,
    async stored() {
      const listed = await blobs.list();
      return { blobs: listed.map(({ digest }) => digest), layers: layers.list().map(({ diffId }) => diffId) };
    },
    hold,
    loseRecord: () => journal.aside.add({ kind: 'image', id: 'lost', reason: 'a test says so' }, ''),
    async diskBytes() {
      const sizes = [
        ...(await blobs.list()).map(({ size }) => size),
        ...layers.list().map(({ diffId }) => layers.info(diffId)?.storedSize ?? 0),
      ];
      return sizes.reduce((sum, size) => sum + size, 0);
    },
    skipTime(ns) {
      skippedNs += ns;
    },
    async reopen() {
      test.images = await open();
    },
    async load(archive, platforms = []) {
      const said: string[] = [];
      await test.images.load({
        body: asStream(archive),
        quiet: true,
        platforms,
        progress: ({ stream }) => stream !== undefined && said.push(stream.trimEnd()),
        signal: AbortSignal.timeout(60_000),
      });
      return said;
    },
    async pull(reference, platform) {
      const messages: ProgressMessage[] = [];
      await test.images.pull({
        reference,
        ...(platform === undefined ? {} : { platform }),
        progress: (message) => messages.push(message),
        signal: AbortSignal.timeout(60_000),
      });
      return messages;
    },
  };
  return test;
}

export const acceptAll: TrustPolicy = {
  source: '',
  wantedFormats: () => [],
  judge: async () => ({ scope: 'default', accepted: true, requirements: [] }),
  describe: async () => ({ digests: [], identity: '', by: '' }),
};

async function openTestStore(context: TestContext) {
  const root = await mkdtemp(join(tmpdir(), 'images-'));
  const blobs = await openBlobStore(root);
  const layers = await openLayers({
    kind: 'erofs',
    erofs: 'file-direct',
    directory: join(root, 'layers'),
    mountDirectory: join(root, 'mounts'),
    log: silentLogger,
  });
  context.after(async () => {
    await layers.close();
    await rm(root, { recursive: true });
  });
  const leases = new LeaseBook();
  // Of the snapshots only this question is asked.
  const snapshots = { layersInUse: () => new Set() } as unknown as OwnedSnapshots;
  const store = {
    blobs,
    layers,
    lease: () => leases.open(),
    collectGarbage: (live: () => LiveContent) =>
      collectGarbage({ blobs, layers, leases, snapshots, outlived: new Set(), log: silentLogger }, live),
    onGarbage: () => undefined,
  };
  return { blobs, layers, store };
}

export async function* asStream(chunks: Iterable<Uint8Array> | ByteStream): ByteStream {
  yield* chunks;
}

export function memoryJournal(): { journal: StateJournal; events: string[] } {
  const records = new Map<string, { kind: string; id: string; value: unknown }>();
  const events: string[] = [];
  const journal: StateJournal = {
    aside: new AsideBook(),
    load: (kind) => Promise.resolve([...records.values()].filter((record) => record.kind === kind)),
    commit(change) {
      for (const record of change.records ?? []) {
        const key = `${record.kind} ${record.id}`;
        if (record.op === 'delete') records.delete(key);
        // As through a database: what comes back is other objects.
        else records.set(key, { ...record, value: JSON.parse(JSON.stringify(record.value)) as unknown });
      }
      for (const { action, attributes } of change.events ?? []) events.push(`${action} ${attributes['name']}`);
      return Promise.resolve([] as JournalEvent[]);
    },
  };
  return { journal, events };
}

interface Hold {
  readonly begun: () => void;
  readonly released: Promise<void>;
}

function holds(): { held: Map<string, Hold>; hold: TestImages['hold'] } {
  const held = new Map<string, Hold>();
  const hold: TestImages['hold'] = (digest) => {
    const [begun, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    held.set(digest, { begun: begun.resolve, released: released.promise });
    return { begun: begun.promise, release: released.resolve };
  };
  return { held, hold };
}

/** A registry of documents: `<tag or digest>` -> bytes, whatever the repository. */
function memoryRegistry(
  { remote, cuts, asked }: Pick<TestImages, 'remote' | 'cuts' | 'asked'>,
  held: ReadonlyMap<string, Hold>,
): RegistryClient {
  const find = (key: string): Uint8Array => {
    const bytes = remote.get(key);
    if (bytes === undefined) throw new EngineError('not-found', `${key} is not in the registry`);
    return bytes;
  };
  const repository: RemoteRepository = {
    referrers: (digest) => repository.manifest({ domain: '', path: '', tag: digest.replace(':', '-') }),
    tags: async () => [...remote.keys()].filter((key) => !key.startsWith('sha256:')),
    async manifest({ tag, digest }) {
      const bytes = find(digest ?? tag ?? 'latest');
      const { mediaType = '' } = JSON.parse(new TextDecoder().decode(bytes)) as { mediaType?: string };
      return { bytes, descriptor: { ...describe(mediaType, bytes) } };
    },
    async *blob({ digest }, { from = 0 }) {
      const bytes = find(digest);
      const until = cuts.get(digest) ?? bytes.length;
      asked.push([digest, from]);
      yield bytes.subarray(from, from + 1);
      held.get(digest)?.begun();
      await held.get(digest)?.released;
      yield bytes.subarray(from + 1, until);
      if (until < bytes.length) throw new EngineError('unavailable', 'unexpected EOF');
    },
  };
  const pushTarget = (): never => {
    throw new Error('this registry is only for reading');
  };
  return { login: async () => undefined, repository: () => repository, pushTarget };
}

export const sha256 = (bytes: Uint8Array): Digest => digestOfHex(createHash('sha256').update(bytes).digest('hex'));
export const describe = (mediaType: string, bytes: Uint8Array): Descriptor => ({
  mediaType,
  digest: sha256(bytes),
  size: bytes.length,
});
export const json = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

export type TestMember = Partial<TarEntry> & { readonly name: string; readonly content?: Uint8Array };

/** A tar archive of files; everything about a member can be set. */
export function tar(members: readonly TestMember[]): Promise<Uint8Array> {
  async function* entries() {
    for (const { content = new Uint8Array(), ...given } of members) {
      const entry = { ...plainEntry('file', given.name, { size: content.length, mode: 0o644 }), ...given };
      yield { entry, body: asStream([content]) };
    }
  }
  return readAll(writeTar(entries()), 1 << 30);
}

/** An image of uncompressed layers, each with one file, in pieces. */
export interface TestImage {
  readonly layers: readonly Uint8Array[];
  readonly config: Uint8Array;
  readonly manifest: Uint8Array;
  readonly target: Descriptor;
  /** Everything by digest. */
  readonly blobs: ReadonlyMap<Digest, Uint8Array>;
}

export async function makeImage(
  names: readonly string[],
  options: {
    architecture?: string;
    created?: string;
    labels?: Record<string, string>;
    diffIds?: Digest[];
    /** Compresses layers. */
    pack?: (layer: Uint8Array) => Uint8Array;
  } = {},
): Promise<TestImage> {
  const layers = await Promise.all(names.map((name) => tar([{ name, content: json(name.repeat(100)) }])));
  const config = json({
    architecture: options.architecture ?? 'amd64',
    os: 'linux',
    created: options.created ?? '2024-05-06T07:08:09Z',
    config: { Env: ['A=b'], Cmd: ['/x'], Labels: options.labels ?? {} },
    rootfs: { type: 'layers', diff_ids: options.diffIds ?? layers.map(sha256) },
    history: [...names.map((name) => ({ created_by: `ADD ${name}` })), { created_by: 'CMD', empty_layer: true }],
  });
  const packed = options.pack === undefined ? layers : layers.map(options.pack);
  const manifest = json({
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: describe(mediaTypes.ociConfig, config),
    layers: packed.map((layer) => describe(mediaTypes.ociLayer, layer)),
  });
  const blobs = new Map([...packed, config, manifest].map((bytes) => [sha256(bytes), bytes]));
  return { layers, config, manifest, target: describe(mediaTypes.ociManifest, manifest), blobs };
}

/** The members of an OCI layout that offers `targets` under names, with the given blobs. */
export function layoutOf(
  targets: readonly { target: Descriptor; name?: string }[],
  blobs: Iterable<Uint8Array>,
): TestMember[] {
  const manifests = targets.map(({ target, name }) => ({
    ...target,
    ...(name === undefined ? {} : { annotations: { 'io.containerd.image.name': name } }),
  }));
  return [
    ...[...blobs].map((content) => ({ name: `blobs/sha256/${hexOf(sha256(content))}`, content })),
    { name: 'index.json', content: json({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests }) },
    { name: 'oci-layout', content: json({ imageLayoutVersion: '1.0.0' }) },
  ];
}

/** An index over images, with a platform for each. */
export function makeIndex(images: readonly { image: TestImage; architecture: string }[]): {
  bytes: Uint8Array;
  target: Descriptor;
} {
  const bytes = json({
    schemaVersion: 2,
    mediaType: mediaTypes.ociIndex,
    manifests: images.map(({ image, architecture }) => ({ ...image.target, platform: { os: 'linux', architecture } })),
  });
  return { bytes, target: describe(mediaTypes.ociIndex, bytes) };
}

export const joined = (chunks: Iterable<Uint8Array>): Uint8Array => concatBytes([...chunks]);
