import { EngineError } from '../../base/errors.ts';
import { type Directory, isDirectory, isRefOf, newDirectory, type NodeMeta, type NodeRef } from '../erofs/tree.ts';
import { type ByteString, quoteName, type TarEntry } from '../tar/entry.ts';
import type { TarHandler } from '../tar/parse.ts';
import type { NodeWriter } from './node-writer.ts';
import { cleanComponents, impliedDirectory, walkTo } from './paths.ts';
import { opaqueMarker, readWhiteout } from './whiteout.ts';
import { allowedXattr } from './xattrs.ts';

const overlayOpaque: readonly [string, Uint8Array] = ['trusted.overlay.opaque', Buffer.from('y')];

/**
 * Turns the members of a layer archive into nodes and a tree of names, the way overlayfs wants a lower layer: `.wh.name` becomes a
 * character device 0/0 with that name, `.wh..wh..opq` the attribute `trusted.overlay.opaque` of its directory (OCI
 * image-spec, layer.md, "Whiteouts"). Nothing of the archive is taken for a path here: what its names and links mean
 * is worked out in the tree. Names are cleaned as Docker does; those that lead out of the root, and what contradicts
 * itself, is refused with `invalid`.
 */
export class LayerFromTar implements TarHandler {
  readonly root: Directory = newDirectory(impliedDirectory);
  readonly #writer: NodeWriter;
  readonly #linkTargets = new Map<NodeRef, ByteString>();
  readonly #opaque = new Set<Directory>();
  #contentSize = 0;
  /** Where the file goes that is being read. */
  #pending: { directory: Directory; name: ByteString } | undefined;
  /** One inode for all whiteouts: each is a link to it. */
  #whiteout: NodeRef | undefined;
  /** The directory of the member before: archives list neighbours together. */
  #lastParent: { path: string; directory: Directory } | undefined;

  constructor(writer: NodeWriter) {
    this.#writer = writer;
  }

  /** Bytes of the content of all files so far. */
  get contentSize(): number {
    return this.#contentSize;
  }

  /** True when the layer hides everything below it. */
  get rootIsOpaque(): boolean {
    return this.#opaque.has(this.root);
  }

  entry(entry: TarEntry): void {
    const components = cleanComponents(entry.name);
    const name = components.pop();
    if (name === undefined) return this.#describeRoot(entry);
    const parent = this.#parent(components);
    const whiteout = readWhiteout(name, entry.name);
    if (whiteout !== undefined) return this.#addWhiteout(parent, whiteout);
    const meta = metaOf(entry);
    switch (entry.type) {
      case 'directory':
        return this.#addDirectory(parent, name, meta);
      case 'file':
        this.#pending = { directory: parent, name };
        this.#contentSize += entry.size;
        return this.#writer.beginFile(meta, entry.size);
      case 'symlink': {
        const node = this.#writer.symlink(meta, entry.linkName);
        this.#linkTargets.set(node, entry.linkName);
        return this.#replace(parent, name, node);
      }
      case 'hardlink':
        return this.#addHardLink(parent, name, entry);
      default:
        return this.#replace(parent, name, this.#writer.special(meta, entry.type, entry.major, entry.minor));
    }
  }

  data(chunk: Buffer): void {
    if (this.#pending !== undefined) this.#writer.data(chunk);
  }

  end(): void {
    if (this.#pending === undefined) return;
    const { directory, name } = this.#pending;
    this.#pending = undefined;
    this.#replace(directory, name, this.#writer.endFile());
  }

  /** To be called once, after the last member: directories that hide what is below them get their attribute. */
  complete(): void {
    for (const directory of this.#opaque) {
      const { meta } = directory;
      directory.meta = { ...meta, xattrs: new Map([...(meta.xattrs ?? []), overlayOpaque]) };
    }
  }

  #parent(components: readonly ByteString[]): Directory {
    const path = components.join('/');
    if (this.#lastParent?.path === path) return this.#lastParent.directory;
    const directory = walkTo(this.root, components, (node) => this.#linkTargets.get(node), true) ?? this.root;
    this.#lastParent = { path, directory };
    return directory;
  }

  #describeRoot(entry: TarEntry): void {
    if (entry.type !== 'directory') throw new EngineError('invalid', 'the root of the archive is not a directory');
    this.root.meta = metaOf(entry);
  }

  #addDirectory(parent: Directory, name: ByteString, meta: NodeMeta): void {
    const existing = parent.children.get(name);
    if (isDirectory(existing)) {
      existing.meta = meta;
      return;
    }
    const directory = newDirectory(meta, parent);
    if (existing !== undefined && existing === this.#whiteout) this.#opaque.add(directory);
    this.#replace(parent, name, directory);
  }

  #addHardLink(parent: Directory, name: ByteString, entry: TarEntry): void {
    const components = cleanComponents(entry.linkName);
    const last = components.pop();
    const directory = walkTo(this.root, components, (node) => this.#linkTargets.get(node), false);
    const target = last === undefined ? undefined : directory?.children.get(last);
    const what = `the hard link ${quoteName(entry.name)} to ${quoteName(entry.linkName)}`;
    if (target === undefined) throw new EngineError('invalid', `${what}: no such file in this layer`);
    if (isDirectory(target)) throw new EngineError('invalid', `${what}: it is a directory`);
    if (directory === parent && last === name) return;
    this.#writer.addLink(target);
    this.#replace(parent, name, target);
  }

  #addWhiteout(parent: Directory, name: ByteString | typeof opaqueMarker): void {
    if (name === opaqueMarker) {
      this.#opaque.add(parent);
      return;
    }
    if (name === '') return;
    const existing = parent.children.get(name);
    // A whiteout hides what layers below have; what the same layer has of that name stays.
    if (isDirectory(existing)) this.#opaque.add(existing);
    if (existing !== undefined) return;
    if (this.#whiteout === undefined) {
      this.#whiteout = this.#writer.special({ ...impliedDirectory, mode: 0 }, 'char');
    } else this.#writer.addLink(this.#whiteout);
    parent.children.set(name, this.#whiteout);
  }

  #replace(parent: Directory, name: ByteString, node: NodeRef | Directory): void {
    const existing = parent.children.get(name);
    // The parent that was found through a directory or a link that is gone now must be looked up again.
    if (isDirectory(existing) || (existing !== undefined && isRefOf(existing, 'symlink'))) this.#lastParent = undefined;
    if (existing !== undefined && !isDirectory(existing)) this.#writer.removeLink(existing);
    parent.children.set(name, node);
  }
}

function metaOf({ mode, uid, gid, mtime, mtimeNsec, xattrs }: TarEntry): NodeMeta {
  const meta = { mode, uid, gid, mtime, mtimeNsec };
  if (xattrs === undefined) return meta;
  const allowed = new Map([...xattrs].filter(([name]) => allowedXattr(name)));
  return allowed.size === 0 ? meta : { ...meta, xattrs: allowed };
}
