import { readFileSync, statSync } from 'node:fs';
import { systemCode } from '../../sys/ffi/errors.ts';

export interface RecordedExit {
  readonly code: number;
  /** Wall clock of the end, even when no engine was there. */
  readonly finishedNs: bigint;
}

/** Where a monitor writes the exit code of the container `id`. */
export const exitFile = (exits: string, id: string): string => `${exits}/${id}`;

/** What a monitor wrote when its container ended: the code in decimal; undefined when there is nothing (yet). */
export function readExitFile(exits: string, id: string): RecordedExit | undefined {
  const path = exitFile(exits, id);
  try {
    const text = readFileSync(path, 'latin1');
    const { mtimeNs } = statSync(path, { bigint: true });
    const code = Number.parseInt(text, 10);
    return Number.isInteger(code) ? { code: code & 0xff, finishedNs: mtimeNs } : undefined;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
