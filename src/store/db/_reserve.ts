import { closeSync, fsyncSync, openSync, statfsSync, statSync, unlinkSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

/** Enough for some thousand small transactions, or until the log is folded into the database. */
const reserveBytes = 4 << 20;

/**
 * A file that only takes up room: on a full disk it is given up, so that the transactions by which a user frees space
 * (removing containers, images, volumes) still go through.
 */
export class SpaceReserve {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** Makes the reserve unless it is there; false when there is no room for it. */
  fill(): boolean {
    if (this.#size() >= reserveBytes) return true;
    if (!this.#hasRoom()) return false;
    try {
      const fd = openSync(this.#path, 'w', 0o600);
      try {
        const block = Buffer.alloc(1 << 20);
        for (let written = 0; written < reserveBytes; ) written += writeSync(fd, block);
        fsyncSync(fd);
      } finally {
        closeSync(fd);
      }
      return true;
    } catch {
      this.giveUp();
      return false;
    }
  }

  /** Frees the room; false when there was none. */
  giveUp(): boolean {
    const had = this.#size() > 0;
    try {
      unlinkSync(this.#path);
    } catch {
      return false;
    }
    return had;
  }

  /** Trying to write on a full disk would take what little others need just then. */
  #hasRoom(): boolean {
    const { bavail, bsize } = statfsSync(dirname(this.#path));
    return bavail * bsize > 2 * reserveBytes;
  }

  #size(): number {
    return statSync(this.#path, { throwIfNoEntry: false })?.size ?? 0;
  }
}
