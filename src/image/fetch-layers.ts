import { KeyedSemaphore, Semaphore } from '../base/async.ts';
import { EngineError } from '../base/errors.ts';
import { GivenUp, type SharedTask, SharedWork } from '../base/shared-work.ts';
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
  /** By registry: one that is slow, or wants to be, takes no places from others. */
  readonly downloads: KeyedSemaphore<string>;
  readonly uploads: Semaphore;
  readonly unpacks: Semaphore;
  readonly layers: SharedWork<string, ProgressMessage>;
}

/** Docker's `max-concurrent-downloads` and `max-concurrent-uploads`, and as many unpacking workers as pay off beside them. */
export const createTransfers = (limits = { downloads: 3, uploads: 5, unpacks: 2 }): Transfers => ({
  downloads: new KeyedSemaphore(limits.downloads),
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
  /** The registry that the source belongs to. */
  readonly registry: string;
  readonly progress: ProgressSink;
  readonly signal: AbortSignal;
}

/**
 * The layers that are not there yet, each once; tells about all of them, but nothing when all of an image is there that
 * is known already. All are held from now on.
 */
export async function missingLayers(
  { content, progress }: LayerFetching,
  layers: readonly VariantLayer[],
  isKnown: boolean,
): Promise<VariantLayer[]> {
  const missing: VariantLayer[] = [];
  const messages: ProgressMessage[] = [];
  for (const layer of new Map(layers.map((each) => [each.blob.digest, each])).values()) {
    const { blob, diffId } = layer;
    const [isUnpacked, size] = [await content.hasLayer(diffId), await content.blobSize(blob.digest)];
    const present = isUnpacked && size !== undefined;
    messages.push({
      status: present ? 'Already exists' : 'Pulling fs layer',
      progressDetail: {},
      id: shortDigest(blob.digest),
    });
    if (!present) missing.push(layer);
  }
  if (!isKnown || missing.length > 0) for (const message of messages) progress(message);
  return missing;
}

/**
 * Brings layers into the store, blobs and unpacked, several at a time. Pulls of the same layer share the work, whoever
 * began it. The first failure stops the others and is thrown when all have stopped.
 */
export async function fetchLayers(fetching: LayerFetching, layers: readonly VariantLayer[]): Promise<void> {
  const { begin, transfers, source, registry, progress } = fetching;
  const failed = new AbortController();
  const signal = AbortSignal.any([fetching.signal, failed.signal]);
  const tasks = layers.map(async (layer) => {
    const work = (tell: ProgressSink, task: SharedTask): Promise<void> =>
      fetchLayer({ begin, transfers, source, registry, layer, tell, ...task });
    const share = { work, tell: (news: ProgressMessage) => progress(news), means: registry, signal };
    try {
      await transfers.layers.run(`${layer.blob.digest} ${layer.diffId}`, share);
    } catch (error) {
      // The first failure is the reason; those of the others follow from it.
      failed.abort(error);
    }
  });
  await Promise.all(tasks);
  failed.signal.throwIfAborted();
}

interface LayerJob extends Pick<LayerFetching, 'begin' | 'transfers' | 'source' | 'registry'>, SharedTask {
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
  { transfers: { downloads }, source, registry, layer: { blob }, tell, signal, isContested }: LayerJob,
  content: ContentOperation,
  early: EarlyUnpack | undefined,
): Promise<void> {
  const { digest, size } = blob;
  const id = shortDigest(digest);
  if (downloads.isFull(registry)) tell({ status: 'Waiting', progressDetail: {}, id });
  const downloading = tellProgress(tell, 'Downloading', id, size);
  const onRetry = (seconds: number): void =>
    tell({ status: `Retrying in ${seconds} second${seconds === 1 ? '' : 's'}`, progressDetail: {}, id });
  using slow = new SlowDownload(isContested);
  const either = AbortSignal.any([signal, slow.signal]);
  const onBytes = (bytes: number): void => {
    slow.bytes = bytes;
    downloading(bytes);
    early?.grewTo(bytes);
  };
  const open = (from: number): ByteStream =>
    counted(source.blob(blob, { from, signal: either, onRetry }), from, onBytes);
  try {
    await downloads.run(
      registry,
      () => content.writeBlob(open, { digest, size }, early === undefined ? undefined : (file) => early.begin(file)),
      either,
    );
  } catch (error) {
    if (slow.signal.aborted && !signal.aborted) throw slow.signal.reason;
    if (!(error instanceof EngineError) || error.code !== 'corrupt') throw error;
    throw new EngineError('corrupt', `filesystem layer verification failed for digest ${digest}`, { cause: error });
  }
}

/** So often a download is looked at that others wait for who could ask another registry. */
const lookEveryMs = 3000;
/** What it must have brought in that time. */
const leastBytes = 192 * 1024;

/** A download that hardly moves is left to those who can ask another registry; they go on where it has come to. */
class SlowDownload {
  readonly #stop = new AbortController();
  readonly #look: NodeJS.Timeout;
  bytes = 0;
  #before = 0;

  constructor(isContested: () => boolean) {
    this.#look = setInterval(() => {
      if (isContested() && this.bytes - this.#before < leastBytes) this.#stop.abort(new GivenUp());
      this.#before = this.bytes;
    }, lookEveryMs).unref();
  }

  /** Aborts with `GivenUp`. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#look);
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
