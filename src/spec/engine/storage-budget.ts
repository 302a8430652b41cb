import { invalid } from '../../base/errors.ts';
import { parseBinarySize } from '../../base/text/units.ts';

/** How much images and what pulls left may take on the disk. */
export interface StorageBudget {
  /** Bytes, or a part of the file system that the data root is on, in percent. */
  readonly limit: { readonly bytes: number } | { readonly percent: number };
  /** Nanoseconds: what was used or came since then stays. */
  readonly graceNs: bigint;
  /** Images with one of these labels (`NAME` or `NAME=VALUE`) stay. */
  readonly keep: readonly string[];
}

export const defaultBudgetGraceNs = 24n * 3600n * 1_000_000_000n;

/** `10g`, `500MiB` (powers of 1024), `20%`. @throws EngineError `invalid` */
export function parseBudgetLimit(text: string): StorageBudget['limit'] {
  if (!text.endsWith('%')) {
    const bytes = parseBinarySize(text);
    if (bytes <= 0) throw invalid(`invalid storage budget ${JSON.stringify(text.slice(0, 50))}: expected more than 0`);
    return { bytes };
  }
  const digits = text.slice(0, -1);
  const percent = Number(digits);
  if (digits.trim() !== digits || digits === '' || !(percent > 0 && percent <= 100)) {
    throw invalid(`invalid storage budget ${JSON.stringify(text.slice(0, 50))}: expected 1% to 100%, or a size`);
  }
  return { percent };
}
