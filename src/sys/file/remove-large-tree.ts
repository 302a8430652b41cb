import { Semaphore } from '../../base/async.ts';
import { Threads } from '../worker/threads.ts';
import { workerUrl } from '../worker/url.ts';

/** The answer of a worker: nothing, or why the tree is still there. */
export interface RemovalReply {
  readonly failure?: { readonly code: string | undefined; readonly message: string };
}

/** So many trees go at once: a second one goes past a file system that does not answer. */
const turns = new Semaphore(2);
const threads = new Threads(workerUrl(import.meta.url, 'remove-tree.worker'), {
  resourceLimits: { maxOldGenerationSizeMb: 128, maxYoungGenerationSizeMb: 4 },
});

/**
 * Deletes a tree of any size in a worker (`removeTreeSync`). As promises of node:fs each file costs the main thread
 * some ten microseconds and a piece of garbage: 40,000 files held it up for 600 ms.
 * @throws the system's error
 */
export function removeLargeTree(path: string): Promise<void> {
  return turns.run(async () => {
    const worker = threads.take();
    const { promise, resolve, reject } = Promise.withResolvers<RemovalReply>();
    worker.once('message', resolve).once('error', reject);
    worker.postMessage(path);
    const { failure } = await promise;
    worker.off('error', reject);
    threads.giveBack(worker);
    if (failure !== undefined) throw Object.assign(new Error(failure.message), { code: failure.code });
  });
}
