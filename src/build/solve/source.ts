import type { ByteString, TarEntry } from '../../archive/tar/entry.ts';
import type { ByteStream } from '../../base/stream.ts';

/** A file, link, device or directory that is copied. */
export interface CopiedMember {
  /** Where it is below what was named; empty for that itself. */
  readonly path: ByteString;
  /** `name` and the `linkName` of hard links do not count. */
  readonly entry: TarEntry;
  /** Of a hard link: the member, by its path, that it is another name of. */
  readonly linkPath?: ByteString;
  /** A piece of it is only valid until the next one is asked for. */
  readonly body?: ByteStream;
}

export interface FileTime {
  /** Seconds since 1970, and the rest in nanoseconds. */
  readonly mtime: number;
  readonly mtimeNsec: number;
}

/** One thing that a COPY names, or that one of its patterns stands for. */
export interface CopiedSource {
  /** Its last component. */
  readonly name: ByteString;
  readonly isDirectory: boolean;
  /** Of a directory that has a time of its own, which the directory that it is copied to takes over. */
  readonly changed?: FileTime;
  /** A directory's own member first. */
  members(): AsyncIterable<CopiedMember>;
}

/** Text as the bytes of its UTF-8, one char each: what paths are in archives and contexts. */
export const bytesOf = (text: string): ByteString => Buffer.from(text).toString('latin1');
/** The other way round. */
export const textOf = (bytes: ByteString): string => Buffer.from(bytes, 'latin1').toString();

/** Whether a source of COPY is a pattern and not a path. */
export function isPattern(source: string): boolean {
  for (let at = 0; at < source.length; at++) {
    if (source[at] === '\\') at++;
    else if ('*?['.includes(source[at] ?? '')) return true;
  }
  return false;
}
