import { Semaphore } from '../base/async.ts';
import { EngineError } from '../base/errors.ts';
import { SharedWork } from '../base/shared-work.ts';
import type { ByteStream } from '../base/stream.ts';
import type { ProgressMessage, ProgressSink } from '../spec/engine/progress.ts';
import type { Descriptor } from '../spec/oci/image.ts';
import type { ContentOperation } from './content.ts';
import { EarlyUnpack } from './early-unpack.ts';
import { type ProgressTeller, shortDigest, tellProgress } from './progress.ts';
import type { VariantLayer } from './records.ts';

/** Where blobs come from. */
export interface BlobSource {
  blob(
    descriptor: Descriptor,
    options: { from?: number; signal?: AbortSignal; onRetry?: (seconds: number) => void },
  ): ByteStream;
}

/** The engine's transfers: limits over all pulls together, and layers that several of them want at the same time. */
export interface Transfers {
  readonly downloads: Semaphore;
  readonly uploads: Semaphore;
  readonly unpacks: Semaphore;
  readonly layers: SharedWork<string, ProgressMessage>;
}

/** Docker's `max-concurrent-downloads` and `max-concurrent-uploads`, and as many unpacking workers as pay off beside them. */
export const createTransfers = (limits = { downloads: 3, uploads: 5, unpacks: 2 }): Transfers => ({
  downloads: new Semaphore(limits.downloads),
  uploads: new Semaphore(limits.uploads),
  unpacks: new Semaphore(limits.unpacks),
  layers: new SharedWork(),
});

/** What one pull brings its layers with. */
export interface LayerFetching {
  /** The pull's own hold on content. */
  readonly content: ContentOperation;
  /** Makes holds for layers: one goes on for other pulls when this one ends. */
  readonly begin: () => ContentOperation;
  readonly transfers: Transfers;
  readonly source: BlobSource;
  readonly progress: ProgressSink;
  readonly signal: AbortSignal;
}

/** The layers that are not there yet, each once; tells about all of them. All are held from now on. */
export async function missingLayers(
  { content, progress }: LayerFetching,
  layers: readonly VariantLayer[],
): Promise<VariantLayer[]> {
  const missing: VariantLayer[] = [];
  for (const layer of new Map(layers.map((each) => [each.blob.digest, each])).values()) {
    const { blob, diffId } = layer;
    const [isUnpacked, size] = [await content.hasLayer(diffId), await content.blobSize(blob.digest)];
    const present = isUnpacked && size !== undefined;
    progress({
      status: present ? 'Already exists' : 'Pulling fs layer',
      progressDetail: {},
      id: shortDigest(blob.digest),
    });
    if (!present) missing.push(layer);
  }
  return missing;
}

/**
 * Brings layers into the store, blobs and unpacked, several at a time. Pulls of the same layer share the work, whoever
 * began it. The first failure stops the others and is thrown when all have stopped.
 */
export async function fetchLayers(fetching: LayerFetching, layers: readonly VariantLayer[]): Promise<void> {
  const { begin, transfers, source, progress } = fetching;
  const failed = new AbortController();
  const signal = AbortSignal.any([fetching.signal, failed.signal]);
  const tasks = layers.map(async (layer) => {
    const work = (tell: ProgressSink, lasting: AbortSignal): Promise<void> =>
      fetchLayer({ begin, transfers, source, layer, tell, signal: lasting });
    try {
      await transfers.layers.run(`${layer.blob.digest} ${layer.diffId}`, { work, tell: progress, signal });
    } catch (error) {
      // The first failure is the reason; those of the others follow from it.
      failed.abort(error);
    }
  });
  await Promise.all(tasks);
  failed.signal.throwIfAborted();
}

interface LayerJob extends Pick<LayerFetching, 'begin' | 'transfers' | 'source' | 'signal'> {
  readonly layer: VariantLayer;
  readonly tell: ProgressSink;
}

async function fetchLayer(job: LayerJob): Promise<void> {
  const { begin, transfers, layer, tell, signal } = job;
  const { blob, diffId } = layer;
  const id = shortDigest(blob.digest);
  const content = begin();
  const extracting = tellProgress(tell, 'Extracting', id, blob.size);
  let complete = false;
  const options = { expected: diffId, onProgress: (bytes: number) => complete && extracting(bytes) };
  const hopeless = new AbortController();
  const early = new EarlyUnpack(content, transfers.unpacks, options, (error) => hopeless.abort(error));
  try {
    const isUnpacked = await content.hasLayer(diffId);
    if ((await content.blobSize(blob.digest)) === undefined) {
      const either = AbortSignal.any([signal, hopeless.signal]);
      await downloadInTurn({ ...job, signal: either }, content, isUnpacked ? undefined : early).catch((error) => {
        throw hopeless.signal.aborted ? hopeless.signal.reason : error;
      });
      tell({ status: 'Verifying Checksum', progressDetail: {}, id });
      tell({ status: 'Download complete', progressDetail: {}, id });
    }
    complete = true;
    if (!isUnpacked && !(await early.finish(signal)) && !(await content.hasLayer(diffId))) {
      await transfers.unpacks.run(() => content.unpack(blob.digest, { ...options, signal }), signal);
    }
    tell({ status: 'Pull complete', progressDetail: {}, id });
  } finally {
    await early.stop();
    content.end();
  }
}

async function downloadInTurn(
  { transfers: { downloads }, source, layer: { blob }, tell, signal }: LayerJob,
  content: ContentOperation,
  early: EarlyUnpack | undefined,
): Promise<void> {
  const { digest, size } = blob;
  const id = shortDigest(digest);
  if (downloads.isFull) tell({ status: 'Waiting', progressDetail: {}, id });
  const downloading = tellProgress(tell, 'Downloading', id, size);
  const onRetry = (seconds: number): void =>
    tell({ status: `Retrying in ${seconds} second${seconds === 1 ? '' : 's'}`, progressDetail: {}, id });
  const onBytes = (bytes: number): void => {
    downloading(bytes);
    early?.grewTo(bytes);
  };
  const open = (from: number): ByteStream => counted(source.blob(blob, { from, signal, onRetry }), from, onBytes);
  try {
    await downloads.run(
      () => content.writeBlob(open, { digest, size }, early === undefined ? undefined : (file) => early.begin(file)),
      signal,
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
