import { EngineError } from '../../base/errors.ts';
import { type DiffId, tryDigest } from '../../base/ids.ts';

/**
 * What a layer says about itself: an EROFS image in its first 1024 bytes, in front of the superblock; a directory in a file
 * beside it.
 */
export interface LayerHeader {
  readonly diffId: DiffId;
  readonly archiveSize: number;
  readonly contentSize: number;
  readonly inodes: number;
  readonly opaqueRoot: boolean;
  /** Bytes on disk, where no file's size tells. */
  readonly storedSize?: number;
}

/** Bytes that are enough to read one. */
export const headerSize = 1024;
const magic = 'gantry layer 1\n';

export function encodeLayerHeader(header: LayerHeader): Uint8Array {
  return Buffer.from(`${magic}${JSON.stringify(header)}\n`);
}

/** @throws EngineError `corrupt`. */
export function decodeLayerHeader(bytes: Buffer): LayerHeader {
  const text = bytes.toString('latin1', 0, headerSize);
  const end = text.indexOf('\n', magic.length);
  if (!text.startsWith(magic) || end < 0) throw new EngineError('corrupt', 'it has no layer header');
  const value = parse(text.slice(magic.length, end));
  const diffId = typeof value['diffId'] === 'string' ? tryDigest(value['diffId']) : undefined;
  const numbers = [value['archiveSize'], value['contentSize'], value['inodes'], value['storedSize'] ?? 0];
  if (
    diffId === undefined ||
    !numbers.every((n) => Number.isSafeInteger(n)) ||
    typeof value['opaqueRoot'] !== 'boolean'
  ) {
    throw new EngineError('corrupt', 'its layer header is damaged');
  }
  return { ...(value as unknown as LayerHeader), diffId: diffId as DiffId };
}

function parse(json: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
