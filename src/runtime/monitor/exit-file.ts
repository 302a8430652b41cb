import { readFile, stat, unlink } from 'node:fs/promises';
import { systemCode } from '../../sys/ffi/errors.ts';

export interface RecordedExit {
  readonly code: number;
  /** Wall clock of the end, even when no engine was there. */
  readonly finishedNs: bigint;
}

/** What a monitor wrote when its container ended: the code in decimal; undefined when there is nothing (yet). */
export async function readExitFile(exits: string, id: string): Promise<RecordedExit | undefined> {
  const path = `${exits}/${id}`;
  try {
    const [text, { mtimeNs }] = await Promise.all([readFile(path, 'latin1'), stat(path, { bigint: true })]);
    const code = Number.parseInt(text, 10);
    return Number.isInteger(code) ? { code: code & 0xff, finishedNs: mtimeNs } : undefined;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Forgets it; no error when there is none. */
export async function removeExitFile(exits: string, id: string): Promise<void> {
  await unlink(`${exits}/${id}`).catch((error: unknown) => {
    if (systemCode(error) !== 'ENOENT') throw error;
  });
}
