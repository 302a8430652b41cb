import { closeSync, fsyncSync, openSync, statfsSync, statSync, unlinkSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

/** Whether the disk below a path has more than so many bytes free. */
export function hasRoom(path: string, bytes: number): boolean {
  const { bavail, bsize } = statfsSync(dirname(path));
  return bavail * bsize > bytes;
}

/** Enough for some thousand small transactions, or until the log is folded into the database. */
const reserveBytes = 4 << 20;

/**
 * A file that only takes up room: an engine that starts on a full disk gives it up for the log of its database
 * (`_room.ts`), and one whose commit fails for want of space gives it up as the last resort.
 */
export class SpaceReserve {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** Makes the reserve unless it is there; false when there is no room for it. */
  fill(): boolean {
    if (this.#size() >= reserveBytes) return true;
    // Trying to write on a full disk would take what little others need just then.
    if (!hasRoom(this.#path, 2 * reserveBytes)) return false;
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

  #size(): number {
    return statSync(this.#path, { throwIfNoEntry: false })?.size ?? 0;
  }
}
