import type { PlanThread } from '../build/planner/planner.ts';
import { JobWorkers } from '../sys/worker/jobs.ts';
import { workerUrl } from '../sys/worker/url.ts';

/** Dockerfiles that take long are planned by so many threads. */
const mostThreads = 2;
const heapMb = 512;

/** Threads that plan Dockerfiles; they begin with the first that needs one. `close` when no build runs. */
export function openPlanner(): { readonly thread: PlanThread; readonly close: () => Promise<void> } {
  const workers = new JobWorkers({
    url: workerUrl(import.meta.url, 'plan.worker'),
    most: mostThreads,
    maxHeapMb: heapMb,
  });
  return { thread: (task) => workers.run(task), close: () => workers.close() };
}
