import { open } from 'node:fs/promises';
import { CliError } from './errors.ts';

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

/** `open PATH: no such file or directory`, as the system words it. */
export function openError(path: string, error: unknown): CliError {
  const words: Readonly<Record<string, string>> = {
    ENOENT: 'no such file or directory',
    EACCES: 'permission denied',
    EISDIR: 'is a directory',
    ENOTDIR: 'not a directory',
  };
  const code = String((error as { code?: unknown }).code);
  return new CliError(`open ${path}: ${words[code] ?? code}`);
}
