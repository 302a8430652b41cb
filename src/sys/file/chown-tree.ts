import { Semaphore } from '../../base/async.ts';
import { Threads } from '../worker/threads.ts';
import { workerUrl } from '../worker/url.ts';

/** What a worker does: everything at and below `path` becomes the owner's. */
export interface ChownTask {
  readonly path: string;
  readonly uid: number;
  readonly gid: number;
}
/** How many files changed their owner, or why not all could. */
export interface ChownReply {
  readonly changed: number;
  readonly failure?: { readonly code: string | undefined; readonly message: string };
}

const turns = new Semaphore(2);
const threads = new Threads(workerUrl(import.meta.url, 'chown-tree.worker'), {
  resourceLimits: { maxOldGenerationSizeMb: 128, maxYoungGenerationSizeMb: 4 },
});

/**
 * Gives a file, or a directory with everything in it, to an owner, in a worker. What is his already is not touched, links
 * are not followed, other file systems below are not entered. Others may be at work there: nothing outside is reached.
 * @throws the system's error
 */
export function chownTree(task: ChownTask): Promise<number> {
  return turns.run(async () => {
    const worker = threads.take();
    const { promise, resolve, reject } = Promise.withResolvers<ChownReply>();
    worker.once('message', resolve).once('error', reject);
    worker.postMessage(task);
    const { changed, failure } = await promise;
    worker.off('error', reject);
    threads.giveBack(worker);
    if (failure !== undefined) throw Object.assign(new Error(failure.message), { code: failure.code });
    return changed;
  });
}
