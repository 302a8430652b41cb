import { open, readdir, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { systemCode } from '../sys/ffi/errors.ts';
import type { Batch } from './batch.ts';
import { type LogBytes, PackedBytes } from './packed.ts';

const NEWLINE = 0x0a;

/** Names a file's content for ever, whatever its path is: an inode number alone is soon used again. */
export const identityOf = (status: { ino: bigint; birthtimeNs: bigint }): string =>
  `${status.ino}:${status.birthtimeNs}`;

/** The identity of the file at `path`, of a compressed one that which it had before; undefined when there is none. */
export async function fileIdentity(path: string): Promise<string | undefined> {
  if (isPacked(path)) {
    const file = await LogFile.open(path);
    await file?.close();
    return file?.identity;
  }
  try {
    return identityOf(await stat(path, { bigint: true }));
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** What the name of a compressed file ends with. */
export const PACKED = '.gz';
const isPacked = (path: string): boolean => path.endsWith(PACKED);

/** A rotated file: `log.1`, or `log.1.gz` when it is compressed, is the newest of them. */
export interface RotatedFile {
  readonly number: number;
  readonly path: string;
  readonly packed: boolean;
}

/**
 * The rotated files of a log that exist, the newest first. Where a file and a compressed one have the same number, the
 * engine ended between making one and removing the other; the compressed one comes second and does not count.
 */
export async function rotatedFiles(logPath: string): Promise<RotatedFile[]> {
  const prefix = `${basename(logPath)}.`;
  const files: RotatedFile[] = [];
  let names: string[] = [];
  try {
    names = await readdir(dirname(logPath));
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
  }
  for (const name of names) {
    if (!name.startsWith(prefix)) continue;
    const packed = isPacked(name);
    const number = Number(name.slice(prefix.length, packed ? -PACKED.length : undefined));
    if (Number.isInteger(number) && number > 0) files.push({ number, path: `${dirname(logPath)}/${name}`, packed });
  }
  return files.sort((a, b) => a.number - b.number || Number(a.packed) - Number(b.packed));
}

/** Is the file the second one with its number? */
export const isLeftOver = (file: RotatedFile, index: number, files: readonly RotatedFile[]): boolean =>
  files[index - 1]?.number === file.number;

export interface ListedFile {
  readonly path: string;
  /** 0 is the current one. */
  readonly number: number;
  readonly identity: string;
}

async function listOnce(logPath: string): Promise<ListedFile[]> {
  const rotated = await rotatedFiles(logPath);
  const places = [
    { path: logPath, number: 0 },
    ...rotated.filter((file, index) => !isLeftOver(file, index, rotated)).map(({ path, number }) => ({ path, number })),
  ];
  const identities = await Promise.all(places.map(({ path }) => fileIdentity(path)));
  const files: ListedFile[] = [];
  for (const [index, place] of places.entries()) {
    const identity = identities[index];
    if (identity !== undefined) files.push({ ...place, identity });
  }
  return files;
}

const isSame = (a: readonly ListedFile[], b: readonly ListedFile[]): boolean =>
  a.length === b.length &&
  a.every((file, index) => file.path === b[index]?.path && file.identity === b[index].identity);

/**
 * The files of a log, newest first, as they were at one moment: a rotation while they are listed would hide one, so it
 * is listed until two lists agree.
 */
export async function listFiles(logPath: string): Promise<ListedFile[]> {
  let files = await listOnce(logPath);
  for (;;) {
    const again = await listOnce(logPath);
    if (isSame(files, again)) return files;
    files = again;
  }
}

/** One file of a log, read from a position on; it stays the same file when it is renamed or deleted. */
export class LogFile {
  readonly identity: string;
  readonly handle: LogBytes;
  /** Where the next unread line begins. */
  position = 0;
  /** Nothing behind this place is read: a reader that does not follow shows what was there when it came. */
  end = Number.POSITIVE_INFINITY;

  private constructor(handle: LogBytes, identity: string) {
    this.handle = handle;
    this.identity = identity;
  }

  /** Undefined when there is no such file, or a compressed one that is damaged. */
  static async open(path: string): Promise<LogFile | undefined> {
    try {
      const handle = await open(path, 'r');
      if (isPacked(path)) {
        const packed = await PackedBytes.open(handle);
        return packed === undefined ? undefined : new LogFile(packed, packed.identity);
      }
      return new LogFile(handle, identityOf(await handle.stat({ bigint: true })));
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** Fills the batch with the next entries; false when there is no further whole line for now. */
  async readInto(batch: Batch): Promise<boolean> {
    const { block } = batch;
    for (;;) {
      const length = Math.min(block.length, this.end - this.position);
      if (length <= 0) return false;
      const { bytesRead } = await this.handle.read(block, 0, length, this.position);
      const whole = block.subarray(0, bytesRead).lastIndexOf(NEWLINE) + 1;
      if (whole === 0 && bytesRead < block.length) return false;
      batch.file = this.identity;
      batch.base = this.position;
      // A block without any newline is no log: what it holds is skipped.
      this.position += whole === 0 ? bytesRead : whole;
      batch.end = this.position;
      batch.scan(whole);
      if (batch.count > 0) return true;
    }
  }

  /** Ends it where it ends now. */
  async endHere(): Promise<void> {
    this.end = (await this.handle.stat()).size;
  }

  async close(): Promise<void> {
    await this.handle.close();
  }
}
