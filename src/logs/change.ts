import { type FSWatcher, watch } from 'node:fs';

/** How often to look when the kernel has no watch left to give (fs.inotify.max_user_watches). */
const POLL_MS = 250;

/**
 * Tells that something in a directory changed, once: arm it, look, and wait when there was nothing. Between two looks
 * it is disarmed, so that a busy container costs one event a look and not one a line.
 */
export class ChangeWatch {
  readonly #directory: string;
  #watcher: FSWatcher | undefined;
  #timer: NodeJS.Timeout | undefined;
  #changed: PromiseWithResolvers<void> | undefined;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** From now on a change resolves the answer. */
  arm(): Promise<void> {
    if (this.#changed !== undefined) return this.#changed.promise;
    const changed = Promise.withResolvers<void>();
    this.#changed = changed;
    const fire = () => this.disarm();
    try {
      this.#watcher = watch(this.#directory, { persistent: false }, fire);
      this.#watcher.on('error', fire);
    } catch {
      this.#timer = setTimeout(fire, POLL_MS).unref();
    }
    return changed.promise;
  }

  /** Stops watching and lets go of whoever waits. */
  disarm(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
    clearTimeout(this.#timer);
    const changed = this.#changed;
    this.#changed = undefined;
    changed?.resolve();
  }
}
