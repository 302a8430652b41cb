import { Latch, Mutex } from '../base/async.ts';
import type { ContainerId, ExecId } from '../base/ids.ts';
import type { ExitStatus, LaunchedContainer, StdioChannel, StdioSink } from '../spec/contract/launch.ts';
import type { WaitResult } from '../spec/engine/container.ts';
import type { ExecEntry } from './exec/entry.ts';
import type { HealthWatch } from './health/watch.ts';
import type { ContainerRecord } from './record.ts';

/** One container in memory: its record, and what lives only as long as this engine process. */
export class ContainerEntry {
  /** Replaced whole, only inside `lock` and only by `commitRecord`. */
  record: ContainerRecord;
  /** The process and its stdio while it runs. */
  live: LaunchedContainer | undefined;
  /** Clients that attached before the start; they get every byte from the first on. */
  readonly waitingSinks = new Set<StdioSink>();
  /** Set when the container starts; replaced when it ended. */
  started = new Latch<StdioChannel>();
  /** Set when the current or next run ended; replaced at once. */
  nextExit = new Latch<ExitStatus>();
  /** Set when it is removed, or when that failed; replaced at once in the second case. */
  removed = new Latch<WaitResult>();
  /** Its record is gone. */
  gone = false;
  /** The checks of its health, while there are any. */
  health: HealthWatch | undefined;
  readonly execs = new Map<ExecId, ExecEntry>();
  /** Cleaning up after the last run, which a new start waits for. */
  teardown: Promise<void> = Promise.resolve();
  /** The pending automatic restart. */
  restart: { readonly timer: NodeJS.Timeout } | undefined;
  /** Operations that need its processes to stand still for a moment (`whileFrozen`). */
  freezes = 0;
  /** A removal is under way: nothing may start it again. */
  removing = false;
  readonly #mutex = new Mutex();

  constructor(record: ContainerRecord) {
    this.record = record;
  }

  get id(): ContainerId {
    return this.record.id;
  }

  /** State changes of one container happen one after another; never wait for a process to end inside. */
  lock<T>(task: () => T | Promise<T>): Promise<T> {
    return this.#mutex.run(task);
  }

  get isRunning(): boolean {
    return this.record.state.phase === 'running';
  }

  /** Hands the run's end to everybody who waits for it and prepares for the next run. */
  announceExit(status: ExitStatus): void {
    const latch = this.nextExit;
    this.nextExit = new Latch();
    this.started = new Latch();
    latch.set(status);
  }

  /** A removal that nobody but waiters would hear of has failed: the container stays. */
  announceFailedRemoval(result: WaitResult): void {
    const latch = this.removed;
    this.removed = new Latch();
    this.removing = false;
    latch.set(result);
  }

  cancelRestart(): void {
    if (this.restart === undefined) return;
    clearTimeout(this.restart.timer);
    this.restart = undefined;
  }
}
