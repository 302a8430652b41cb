import type { NodeMeta, NodeRef } from '../erofs/tree.ts';
import type { ByteString } from '../tar/entry.ts';

/**
 * Stores what a layer archive describes, one node after the other, without their names: these become a tree in memory
 * (`LayerFromTar.root`), which is written when the archive is complete.
 */
export interface NodeWriter {
  /** Begins a regular file of exactly `size` bytes, which `data` brings and `endFile` ends. */
  beginFile(meta: NodeMeta, size: number): void;
  data(chunk: Buffer): void;
  endFile(): NodeRef;
  symlink(meta: NodeMeta, target: ByteString): NodeRef;
  /** A device or FIFO. Device 0/0 is overlayfs's whiteout: it hides a name of the layers below. */
  special(meta: NodeMeta, type: 'char' | 'block' | 'fifo', major?: number, minor?: number): NodeRef;
  /** Counts one more name for a node; a new one has one. */
  addLink(node: NodeRef): void;
  /** Counts one name less: it was replaced by a later one. */
  removeLink(node: NodeRef): void;
}
