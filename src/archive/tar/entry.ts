/**
 * A string with one char (0 to 255) for each byte: what names on a Linux file system really are. Comparing and sorting
 * such strings compares bytes. Made and written by Buffer's `latin1` encoding.
 */
export type ByteString = string;

export type TarEntryType = 'file' | 'directory' | 'symlink' | 'hardlink' | 'char' | 'block' | 'fifo';

/** One member of an archive, extension headers (PAX, GNU) already applied. */
export interface TarEntry {
  readonly type: TarEntryType;
  /** As it is in the archive: it may be absolute, hold `..`, or end with a slash. Never empty, never with a NUL. */
  readonly name: ByteString;
  /** The target of a symlink or hard link, else empty. */
  readonly linkName: ByteString;
  /** Permission bits, set-id and sticky bits: 0 to 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of content that follow; 0 for everything but files. */
  readonly size: number;
  /** Seconds since 1970, rounded down; may be negative. */
  readonly mtime: number;
  /** 0 to 999,999,999. */
  readonly mtimeNsec: number;
  /** Device numbers, 0 unless `type` is `char` or `block`. */
  readonly major: number;
  readonly minor: number;
  /** Extended attributes by full name (`security.capability`). */
  readonly xattrs?: ReadonlyMap<string, Uint8Array>;
}

/** A member that says nothing of times and owners: the same content always makes the same archive. */
export const plainEntry = (
  type: TarEntryType,
  name: ByteString,
  { size, mode }: { readonly size: number; readonly mode: number },
): TarEntry => ({
  type,
  name,
  linkName: '',
  mode,
  uid: 0,
  gid: 0,
  size,
  mtime: 0,
  mtimeNsec: 0,
  major: 0,
  minor: 0,
});

/** What a reader refuses to go beyond. Sizes in bytes. */
export interface TarLimits {
  /** Members of one archive. */
  readonly entries: number;
  /** A whole name or link target. */
  readonly name: number;
  /** One PAX header, or one GNU long name. */
  readonly extension: number;
  /** All extended attributes of one member, names and values. */
  readonly xattrs: number;
  /** Zeros that sparse members may stand for where holes are written out. */
  readonly holes: number;
}

/** Linux allows paths of 4,095 bytes and 64 KiB for one extended attribute; archive/tar of Go caps headers at 1 MiB. */
export const defaultTarLimits: TarLimits = {
  entries: 4_000_000,
  name: 4095,
  extension: 1 << 20,
  xattrs: 128 << 10,
  holes: 1 << 30,
};

/** A name for error messages: quoted, cut, without control characters. */
export function quoteName(name: ByteString): string {
  const text = Buffer.from(name, 'latin1').toString('utf8');
  return JSON.stringify(text.length > 120 ? `${text.slice(0, 120)}...` : text);
}
