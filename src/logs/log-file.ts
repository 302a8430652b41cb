import { type FileHandle, open, readdir, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { systemCode } from '../sys/ffi/errors.ts';
import type { Batch } from './batch.ts';

const NEWLINE = 0x0a;

/** Names a file's content for ever, whatever its path is: an inode number alone is soon used again. */
export const identityOf = (status: { ino: bigint; birthtimeNs: bigint }): string =>
  `${status.ino}:${status.birthtimeNs}`;

/** The identity of the file at `path`; undefined when there is none. */
export async function fileIdentity(path: string): Promise<string | undefined> {
  try {
    return identityOf(await stat(path, { bigint: true }));
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** The numbers of the rotated files of a log that exist (`log.1` is the newest of them), in rising order. */
export async function rotatedNumbers(logPath: string): Promise<number[]> {
  const prefix = `${basename(logPath)}.`;
  const numbers: number[] = [];
  let names: string[] = [];
  try {
    names = await readdir(dirname(logPath));
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
  }
  for (const name of names) {
    if (!name.startsWith(prefix)) continue;
    const number = Number(name.slice(prefix.length));
    if (Number.isInteger(number) && number > 0) numbers.push(number);
  }
  return numbers.sort((a, b) => a - b);
}

/** The paths of a log, newest first. */
export async function logPaths(logPath: string): Promise<string[]> {
  return [logPath, ...(await rotatedNumbers(logPath)).map((number) => `${logPath}.${number}`)];
}

export interface ListedFile {
  readonly path: string;
  readonly identity: string;
}

async function listOnce(logPath: string): Promise<ListedFile[]> {
  const paths = await logPaths(logPath);
  const identities = await Promise.all(paths.map(fileIdentity));
  const files: ListedFile[] = [];
  for (const [index, path] of paths.entries()) {
    const identity = identities[index];
    if (identity !== undefined) files.push({ path, identity });
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
  readonly handle: FileHandle;
  /** Where the next unread line begins. */
  position = 0;
  /** Nothing behind this place is read: a reader that does not follow shows what was there when it came. */
  end = Number.POSITIVE_INFINITY;

  private constructor(handle: FileHandle, identity: string) {
    this.handle = handle;
    this.identity = identity;
  }

  /** Undefined when there is no such file. */
  static async open(path: string): Promise<LogFile | undefined> {
    try {
      const handle = await open(path, 'r');
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
