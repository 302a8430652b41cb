import { invalid } from '../../base/errors.ts';
import type { FileView } from '../../spec/contract/files.ts';
import { type CopiedMember, textOf } from './source.ts';

type Kind = 'directory' | 'other';

/**
 * What a COPY must not put one thing in the place of: a directory of the root that it goes onto takes no file's place, nor the
 * other way round, a link to a directory included. Only directories that are there already are looked into.
 */
export class Collisions {
  readonly #view: FileView | undefined;
  /** What the layer has so far, where several sources make it. */
  readonly #made = new Map<string, Kind>();
  readonly #isOfSeveral: boolean;
  /** What is in a directory of the root, by its path without the first slash; undefined where there is none. */
  readonly #lists = new Map<string, ReadonlyMap<string, Kind> | undefined>();

  /** @param isOfSeveral the layer is made of several sources, which must not be in each other's way either */
  constructor(view: FileView | undefined, isOfSeveral: boolean) {
    this.#view = view;
    this.#isOfSeveral = isOfSeveral;
  }

  /**
   * @param name the member's path in the layer, free of links in the root, as bytes
   * @throws EngineError `invalid` in Docker's words
   */
  async refuse(name: string, { entry }: CopiedMember): Promise<void> {
    const there = this.#made.get(name) ?? (await this.#kindOf(name));
    const kind = entry.type === 'directory' ? 'directory' : 'other';
    if (this.#isOfSeveral) this.#made.set(name, kind);
    if (there === undefined || there === kind) return;
    const shown = `/${textOf(name)}`;
    throw invalid(
      there === 'directory'
        ? `cannot replace to directory ${shown} with file`
        : `cannot copy to non-directory: ${shown}`,
    );
  }

  async #kindOf(name: string): Promise<Kind | undefined> {
    const slash = name.lastIndexOf('/');
    const parent = name.slice(0, Math.max(slash, 0));
    const list = await this.#listOf(parent);
    return list?.get(name.slice(slash + 1));
  }

  async #listOf(directory: string): Promise<ReadonlyMap<string, Kind> | undefined> {
    if (this.#view === undefined) return undefined;
    if (this.#lists.has(directory)) return this.#lists.get(directory);
    const isThere = directory === '' || (await this.#kindOf(directory)) === 'directory';
    const { directories, others } = isThere
      ? await this.#view.list(`/${textOf(directory)}`)
      : { directories: [], others: [] };
    const list = new Map<string, Kind>([
      ...directories.map((name) => [name, 'directory'] as const),
      ...others.map((name) => [name, 'other'] as const),
    ]);
    this.#lists.set(directory, isThere ? list : undefined);
    return list;
  }
}
