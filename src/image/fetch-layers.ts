import { KeyedMutex, Semaphore } from '../base/async.ts';
import { EngineError } from '../base/errors.ts';
import type { Digest } from '../base/ids.ts';
import type { ByteStream } from '../base/stream.ts';
import type { ProgressSink } from '../spec/engine/progress.ts';
import type { Descriptor } from '../spec/oci/image.ts';
import type { ContentOperation } from './content.ts';
import { type ProgressTeller, shortDigest, tellProgress } from './progress.ts';
import type { VariantLayer } from './records.ts';

/** Where blobs come from. */
export interface BlobSource {
  blob(descriptor: Descriptor, options: { from?: number; signal?: AbortSignal }): ByteStream;
}

/** The engine's transfers: limits over all pulls together, and one fetch of a blob at a time. */
export interface Transfers {
  readonly downloads: Semaphore;
  readonly unpacks: Semaphore;
  readonly blobs: KeyedMutex<Digest>;
}

/** Docker's `max-concurrent-downloads`, and as many unpacking workers as pay off beside them. */
export const createTransfers = (limits = { downloads: 3, unpacks: 2 }): Transfers => ({
  downloads: new Semaphore(limits.downloads),
  unpacks: new Semaphore(limits.unpacks),
  blobs: new KeyedMutex(),
});

/**
 * Brings all layers into the store, blobs and unpacked, several at a time. Two pulls of the same layer share the work:
 * the second waits, and finds it there. The first failure stops the others and is thrown when all have stopped.
 */
export async function fetchLayers(
  content: ContentOperation,
  transfers: Transfers,
  source: BlobSource,
  layers: readonly VariantLayer[],
  progress: ProgressSink,
  signal: AbortSignal,
): Promise<void> {
  const unique = [...new Map(layers.map((layer) => [layer.blob.digest, layer])).values()];
  const missing: VariantLayer[] = [];
  for (const layer of unique) {
    const present = await isComplete(content, layer);
    progress({
      status: present ? 'Already exists' : 'Pulling fs layer',
      progressDetail: {},
      id: shortDigest(layer.blob.digest),
    });
    if (!present) missing.push(layer);
  }
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  const tasks = missing.map(async (layer) => {
    try {
      await fetchLayer(content, transfers, source, layer, progress, either);
    } catch (error) {
      // The first failure is the reason; those of the others follow from it.
      failed.abort(error);
    }
  });
  await Promise.all(tasks);
  failed.signal.throwIfAborted();
}

const isComplete = async (content: ContentOperation, { blob, diffId }: VariantLayer): Promise<boolean> =>
  (await content.hasLayer(diffId)) && (await content.blobSize(blob.digest)) !== undefined;

async function fetchLayer(
  content: ContentOperation,
  { downloads, unpacks, blobs }: Transfers,
  source: BlobSource,
  { blob, diffId }: VariantLayer,
  progress: ProgressSink,
  signal: AbortSignal,
): Promise<void> {
  const id = shortDigest(blob.digest);
  await blobs.run(blob.digest, async () => {
    signal.throwIfAborted();
    // Another pull may have brought it meanwhile.
    if ((await content.blobSize(blob.digest)) === undefined) {
      await downloads.run(() => download(content, source, blob, progress, signal));
      progress({ status: 'Verifying Checksum', progressDetail: {}, id });
      progress({ status: 'Download complete', progressDetail: {}, id });
    }
    if (!(await content.hasLayer(diffId))) {
      const onProgress = tellProgress(progress, 'Extracting', id, blob.size);
      await unpacks.run(() => content.unpack(blob.digest, { expected: diffId, onProgress, signal }));
    }
    progress({ status: 'Pull complete', progressDetail: {}, id });
  });
}

async function download(
  content: ContentOperation,
  source: BlobSource,
  blob: Descriptor,
  progress: ProgressSink,
  signal: AbortSignal,
): Promise<void> {
  const { digest, size } = blob;
  try {
    await content.writeBlob(
      (from) => {
        const tell = tellProgress(progress, 'Downloading', shortDigest(digest), size);
        return counted(source.blob(blob, { from, signal }), from, tell);
      },
      { digest, size },
    );
  } catch (error) {
    if (!(error instanceof EngineError) || error.code !== 'corrupt') throw error;
    throw new EngineError('corrupt', `filesystem layer verification failed for digest ${digest}`, { cause: error });
  }
}

/** Passes a stream on that begins at `from`, and tells how far it is. */
async function* counted(source: ByteStream, from: number, tell: ProgressTeller): ByteStream {
  let current = from;
  for await (const chunk of source) {
    current += chunk.length;
    tell(current);
    yield chunk;
  }
}
