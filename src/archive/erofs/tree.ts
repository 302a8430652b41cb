import type { ByteString } from '../tar/entry.ts';

/** What every node of a file system has. */
export interface NodeMeta {
  /** Permission bits, set-id and sticky bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: number;
  readonly mtimeNsec: number;
  readonly xattrs?: ReadonlyMap<string, Uint8Array>;
}

/** An inode that is already in the image: its nid and file type in one number, so that 10^6 of them stay cheap. */
export type NodeRef = number & { readonly __brand: 'NodeRef' };

/** EROFS_FT_*: the file types in directory entries. */
const fileTypeCodes = { file: 1, directory: 2, char: 3, block: 4, fifo: 5, socket: 6, symlink: 7 } as const;
export type FileType = keyof typeof fileTypeCodes;
export const directoryCode = fileTypeCodes.directory;

const slotSize = 32;

/** `offset` is the inode's place in the image. */
export const makeRef = (offset: number, type: FileType): NodeRef =>
  ((offset / slotSize) * 8 + fileTypeCodes[type]) as NodeRef;
export const offsetOf = (node: NodeRef): number => nidOf(node) * slotSize;
export const nidOf = (node: NodeRef): number => Math.floor(node / 8);
/** The code of the node's type in a directory entry. */
export const codeOfRef = (node: NodeRef): number => node % 8;
export const isRefOf = (node: NodeRef, type: FileType): boolean => codeOfRef(node) === fileTypeCodes[type];

/** A directory is kept in memory until the end: only then all its names are known. */
export interface Directory {
  meta: NodeMeta;
  readonly parent: Directory | undefined;
  readonly children: Map<ByteString, NodeRef | Directory>;
}

export const newDirectory = (meta: NodeMeta, parent?: Directory): Directory => ({
  meta,
  parent,
  children: new Map(),
});

export const isDirectory = (node: NodeRef | Directory | undefined): node is Directory => typeof node === 'object';
