import { decompress } from '../../archive/compress/decompress.ts';
import { cleanComponents } from '../../archive/layer/paths.ts';
import { type ByteString, plainEntry, type TarEntry } from '../../archive/tar/entry.ts';
import { readTar } from '../../archive/tar/read.ts';
import { writeTar } from '../../archive/tar/write.ts';
import type { ByteStream } from '../../base/stream.ts';
import type { BuildContent, BuiltLayer } from '../../spec/contract/build.ts';

/** Of one layer that is read again; what does not fit on the disk ends earlier. */
const mostBytes = 2 ** 38;
const whiteout = '.wh.';
const opaque = '.wh..wh..opq';

/** What of a layer is in the squashed one. */
interface Kept {
  readonly names: Set<ByteString>;
  /** Files whose name an upper layer has taken, and the hard link of theirs that has their content now. */
  readonly heirs: Map<ByteString, ByteString>;
}

/**
 * One layer of several, lowest first: on the same base it makes the same files, without those that only lower ones had.
 * Undefined when nothing is left. Each is read twice. @throws EngineError
 */
export async function squashLayers(
  content: BuildContent,
  layers: readonly BuiltLayer[],
  signal: AbortSignal,
): Promise<BuiltLayer | undefined> {
  const plan = new SquashPlan();
  for (const layer of layers.toReversed()) await plan.look(layer, tarOf(content, layer));
  return content.storeLayer(writeTar(plan.members(layers, (layer) => tarOf(content, layer))), signal);
}

const tarOf = (content: BuildContent, { blob }: BuiltLayer): ByteStream =>
  decompress(content.blob(blob), { maxBytes: mostBytes, what: `layer ${blob.digest}` });

const nameOf = ({ name }: TarEntry): ByteString => cleanComponents(name).join('/');
const parentOf = (path: ByteString): ByteString => path.slice(0, Math.max(0, path.lastIndexOf('/')));
const join = (folder: ByteString, name: ByteString): ByteString => (folder === '' ? name : `${folder}/${name}`);

/** Which members of which layers stay: looked at from the uppermost layer down. */
export class SquashPlan {
  readonly #kept = new Map<BuiltLayer, Kept>();
  /** What upper layers have at a path. */
  readonly #seen = new Map<ByteString, 'directory' | 'other'>();
  /** Paths below which nothing of lower layers is seen. */
  readonly #covered = new Set<ByteString>();
  /** Paths of lower layers or the base that are deleted, and directories that hide what these have in them. */
  readonly #deleted = new Set<ByteString>();
  readonly #opaque = new Set<ByteString>();

  /** Looks at the next lower layer. */
  async look(layer: BuiltLayer, archive: ByteStream): Promise<void> {
    const kept: Kept = { names: new Set(), heirs: new Map() };
    const links: { readonly path: ByteString; readonly target: ByteString }[] = [];
    const added = new Map<ByteString, 'directory' | 'other'>();
    const covered: ByteString[] = [];
    for await (const { entry } of readTar(archive)) {
      const path = nameOf(entry);
      const folder = parentOf(path);
      const last = path.slice(folder === '' ? 0 : folder.length + 1);
      if (this.#isHidden(path)) continue;
      if (last === opaque) {
        if (this.#seen.get(folder) !== 'other') this.#opaque.add(folder);
        covered.push(folder);
      } else if (last.startsWith(whiteout)) covered.push(this.#delete(join(folder, last.slice(whiteout.length))));
      else if (!this.#seen.has(path)) {
        const kind = entry.type === 'directory' ? 'directory' : 'other';
        kept.names.add(path);
        added.set(path, kind);
        if (kind === 'other') covered.push(path);
        if (entry.type === 'hardlink') links.push({ path, target: cleanComponents(entry.linkName).join('/') });
      }
    }
    for (const { path, target } of links) {
      if (!kept.names.has(target) && !kept.heirs.has(target)) kept.heirs.set(target, path);
    }
    // Of a layer itself nothing is hidden by itself.
    for (const [path, kind] of added) this.#seen.set(path, kind);
    for (const path of covered) this.#covered.add(path);
    this.#kept.set(layer, kept);
  }

  /** Something below is deleted; what upper layers have there stays. */
  #delete(path: ByteString): ByteString {
    const seen = this.#seen.get(path);
    if (seen === undefined) this.#deleted.add(path);
    else if (seen === 'directory') this.#opaque.add(path);
    return path;
  }

  #isHidden(path: ByteString): boolean {
    for (let above = parentOf(path); ; above = parentOf(above)) {
      if (this.#covered.has(above)) return true;
      if (above === '') return this.#covered.has(path);
    }
  }

  /** The members of the squashed layer. */
  async *members(
    layers: readonly BuiltLayer[],
    open: (layer: BuiltLayer) => ByteStream,
  ): AsyncGenerator<{ readonly entry: TarEntry; readonly body?: ByteStream }> {
    for (const path of this.#deleted) {
      const folder = parentOf(path);
      yield {
        entry: plainEntry('file', join(folder, whiteout + path.slice(folder === '' ? 0 : folder.length + 1)), {
          size: 0,
          mode: 0o644,
        }),
      };
    }
    for (const path of this.#opaque) yield { entry: plainEntry('file', join(path, opaque), { size: 0, mode: 0o644 }) };
    for (const layer of layers) {
      const { names, heirs } = this.#kept.get(layer) ?? { names: new Set(), heirs: new Map() };
      for await (const { entry, body } of readTar(open(layer))) {
        const path = nameOf(entry);
        const heir = heirs.get(path);
        if (heir !== undefined && entry.type === 'file') {
          yield { entry: { ...entry, name: heir }, body };
          continue;
        }
        if (!names.has(path)) continue;
        if (entry.type !== 'hardlink') {
          yield { entry, ...(entry.type === 'file' ? { body } : {}) };
          continue;
        }
        const target = cleanComponents(entry.linkName).join('/');
        const instead = heirs.get(target) ?? target;
        if (instead !== path) yield { entry: { ...entry, linkName: instead } };
      }
    }
  }
}
