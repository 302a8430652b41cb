import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type ContextTree, holdTree, releaseTree } from './tree.ts';
import { Pack } from './pack.ts';

/** So many contexts are remembered; the one that was used longest ago goes first. */
const mostKept = 32;

/**
 * The contexts of earlier builds, by what makes two builds have the same one: only files that changed travel again. They
 * are kept as long as this engine runs; what an earlier one left is deleted.
 */
export class Contexts {
  /** Bytes that one context, or one file from elsewhere, may have. */
  readonly mostBytes: number;
  readonly #directory: string;
  readonly #kept = new Map<string, ContextTree>();
  #serial = 0;

  private constructor(directory: string, mostBytes: number) {
    this.#directory = directory;
    this.mostBytes = mostBytes;
  }

  static async open(directory: string, mostBytes = Number.POSITIVE_INFINITY): Promise<Contexts> {
    await rm(directory, { recursive: true, force: true });
    await mkdir(directory, { recursive: true, mode: 0o700 });
    return new Contexts(directory, mostBytes);
  }

  /** A new pack, which the caller holds. */
  newPack(): Promise<Pack> {
    return Pack.create(join(this.#directory, `${this.#serial++}.pack`), this.mostBytes);
  }

  /** The latest context of that key, held for the caller. */
  latest(key: string): ContextTree | undefined {
    const tree = this.#kept.get(key);
    if (tree !== undefined) holdTree(tree);
    return tree;
  }

  /** Remembers a context in place of the one before; the caller's own hold stays. */
  async keep(key: string, tree: ContextTree): Promise<void> {
    const before = this.#kept.get(key);
    holdTree(tree);
    this.#kept.delete(key);
    this.#kept.set(key, tree);
    if (before !== undefined) await releaseTree(before);
    for (const [oldest, forgotten] of this.#kept) {
      if (this.#kept.size <= mostKept) break;
      this.#kept.delete(oldest);
      await releaseTree(forgotten);
    }
  }

  /** Bytes on disk. */
  get size(): number {
    const packs = new Set<Pack>();
    for (const tree of this.#kept.values()) for (const pack of tree.packs) packs.add(pack);
    return [...packs].reduce((sum, pack) => sum + pack.size, 0);
  }

  get count(): number {
    return this.#kept.size;
  }

  /** Forgets those that were used longest ago, until the others take no more than this; gives the bytes that went. */
  async shrink(bytes: number): Promise<number> {
    const before = this.size;
    for (const [oldest, tree] of this.#kept) {
      if (this.size <= bytes) break;
      this.#kept.delete(oldest);
      await releaseTree(tree);
    }
    return before - this.size;
  }

  /** Forgets all of them; gives the bytes that they took. */
  async clear(): Promise<number> {
    const { size } = this;
    const trees = [...this.#kept.values()];
    this.#kept.clear();
    for (const tree of trees) await releaseTree(tree);
    return size;
  }
}
