import { performance } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import { releaseCode, releaseFreeMemory } from './memory.ts';

/** So often it is looked whether the thread rests, in milliseconds. */
const lookMs = 5000;
/** A thread whose event loop was busy for no larger share of that time rests. */
const restingShare = 0.02;
/** Bytes that a heap must have grown by to be worth the collection, which takes some 30 ms. */
const worthwhile = 6 << 20;

/** What is looked at and done, for tests. */
export interface RestingHeap {
  /** The share of the time since the last call in which the thread was busy, 0 to 1. */
  busy(): number;
  /** Bytes of memory that the heap takes. */
  size(): number;
  collect(): void;
}

/**
 * Gives memory back while there is nothing to do: V8 collects garbage only when the heap is full, and a heap that nobody
 * uses stays as large as its last work made it. Gives the function that ends it. Without `--expose-gc` nothing is done.
 */
export function shrinkAtRest(heap: RestingHeap | undefined = heapOfThread()): () => void {
  if (heap === undefined) return () => undefined;
  const look = lookAtRest(heap);
  const timer = setInterval(look, lookMs);
  timer.unref();
  return () => clearInterval(timer);
}

/** One look: collects when that is worth it. True when it did. */
export function lookAtRest(heap: RestingHeap): () => boolean {
  let settled = 0;
  return () => {
    const resting = heap.busy() <= restingShare;
    if (!resting || heap.size() - settled < worthwhile) return false;
    heap.collect();
    settled = heap.size();
    return true;
  };
}

function heapOfThread(): RestingHeap | undefined {
  const { gc } = globalThis;
  if (gc === undefined) return undefined;
  let before = performance.eventLoopUtilization();
  return {
    busy() {
      const now = performance.eventLoopUtilization();
      const { utilization } = performance.eventLoopUtilization(now, before);
      before = now;
      return utilization;
    },
    size: () => getHeapStatistics().total_physical_size,
    collect() {
      gc({ type: 'major', execution: 'sync', flavor: 'last-resort' });
      releaseFreeMemory();
      releaseCode();
    },
  };
}
