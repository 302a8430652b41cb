import { fstatSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { CliError } from './errors.ts';
import { isTerminal } from './terminal/tty.ts';

const chunkSize = 1024 * 1024;

/** The bytes of a file, or of standard input for `-`. @throws CliError when it cannot be read */
export async function* readUpload(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  if (path === '-') {
    yield* process.stdin as AsyncIterable<Uint8Array>;
    return;
  }
  const file = await open(path).catch((error: unknown) => {
    throw openError(path, error);
  });
  try {
    for (;;) {
      const { bytesRead, buffer } = await file.read(new Uint8Array(chunkSize));
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}

/**
 * Says at once what would otherwise break in the middle of the upload. `empty`: why nobody types an archive; without it
 * that is allowed. @throws CliError
 */
export function checkUpload(path: string, empty?: string): void {
  if (path === '' || path === '-') {
    if (empty !== undefined && (isTerminal(0) || fstatSync(0).isCharacterDevice())) throw new CliError(empty);
    return;
  }
  try {
    if (statSync(path).isDirectory()) throw new CliError(`read ${path}: is a directory`);
  } catch (error) {
    throw error instanceof CliError ? error : openError(path, error);
  }
}

/** `open PATH: no such file or directory`, as the system words it. */
function openError(path: string, error: unknown): CliError {
  const words: Readonly<Record<string, string>> = {
    ENOENT: 'no such file or directory',
    EACCES: 'permission denied',
    EISDIR: 'is a directory',
    ENOTDIR: 'not a directory',
  };
  const code = String((error as { code?: unknown }).code);
  return new CliError(`open ${path}: ${words[code] ?? code}`);
}
