import { invalid } from '../../base/errors.ts';
import { parseBinarySize } from '../../base/text/units.ts';
import type { HostConfig } from '../../spec/engine/container.ts';

/** Larger ones do not fit into one file of the usual file systems. */
const mostBytes = 8 * 2 ** 40;
const leastBytes = 1 << 20;

/**
 * The bytes that a container may write to its own layer: `--storage-opt size=`, else the engine's default; undefined for
 * no limit, which `size=0` asks for. @throws invalid in Docker's words.
 */
export function writableLimit({ StorageOpt = {} }: HostConfig, byDefault: number | undefined): number | undefined {
  let limit = byDefault;
  for (const [name, value] of Object.entries(StorageOpt ?? {})) {
    if (name.toLowerCase() !== 'size') throw invalid(`unknown storage option ${name.slice(0, 100)}: expected size`);
    limit = checkedLimit(parseBinarySize(value), value);
  }
  return limit;
}

/** Undefined for 0. @throws invalid */
export function checkedLimit(bytes: number, shown: string): number | undefined {
  if (bytes === 0) return undefined;
  if (bytes >= leastBytes && bytes <= mostBytes) return bytes;
  throw invalid(`invalid storage option size=${shown.slice(0, 100)}: expected 1m to 8t, or 0 for no limit`);
}
