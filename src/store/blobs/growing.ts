import { type FileHandle, open } from 'node:fs/promises';

/** A file that is still being written, for who wants to read what comes as it comes. */
export interface GrowingFile {
  /** The file, opened for reading, under whichever name it has by now; the caller closes it. */
  open(): Promise<FileHandle>;
  /**
   * Calls `listener` now and then with the bytes that are there, and at the end once with `complete`; never again after
   * the returned function was called. A file that is given up is never complete: whoever gives it up cancels the reader.
   */
  follow(listener: (available: number, complete: boolean) => void): () => void;
}

const step = 1 << 20;

/** The writing side of a `GrowingFile`. */
export class Growth implements GrowingFile {
  readonly #paths: () => readonly string[];
  readonly #listeners = new Set<(available: number, complete: boolean) => void>();
  #available = 0;
  #told = 0;
  #complete = false;

  /** `paths` are the names that the file may have at the moment, in the order in which it gets them. */
  constructor(paths: () => readonly string[], available: number) {
    this.#paths = paths;
    this.#available = available;
  }

  grewTo(available: number): void {
    this.#available = available;
    if (available - this.#told >= step) this.#tell();
  }

  completed(): void {
    this.#complete = true;
    this.#tell();
  }

  async open(): Promise<FileHandle> {
    for (let at = 0; ; at++) {
      // Asked for anew each time: it may have got its next name while the last one was tried.
      const path = this.#paths()[at] ?? '';
      try {
        return await open(path, 'r');
      } catch (error) {
        if ((error as { code?: string }).code !== 'ENOENT' || at + 1 >= this.#paths().length) throw error;
      }
    }
  }

  follow(listener: (available: number, complete: boolean) => void): () => void {
    this.#listeners.add(listener);
    listener(this.#available, this.#complete);
    return () => this.#listeners.delete(listener);
  }

  #tell(): void {
    this.#told = this.#available;
    for (const listener of this.#listeners) listener(this.#available, this.#complete);
  }
}
