import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { EngineError, notFound } from '../../base/errors.ts';
import { digestOfHex } from '../../base/ids.ts';
import { encodeTarHeader, tarPadding, tarTrailer } from '../tar/write.ts';
import type { BundleMember } from './bundle.ts';

/** Where an archive goes, with room to write into. */
export interface BundleSink {
  write(bytes: Uint8Array): void;
  /** At least one byte. */
  reserve(): Buffer;
  advance(length: number): void;
  flush(): void;
}

/**
 * Writes the archive; `wanted` is asked for every piece of a file, and throws to give up.
 * @throws EngineError `corrupt`, `not-found`: the archive is unusable then
 */
export function writeBundle(members: readonly BundleMember[], sink: BundleSink, wanted: () => void): void {
  for (const { entry, bytes, file } of members) {
    sink.write(encodeTarHeader(entry));
    if (bytes !== undefined) sink.write(bytes);
    if (file !== undefined) writeFile(file, entry.size, sink, wanted);
    sink.write(tarPadding(entry.size));
  }
  sink.write(tarTrailer());
  sink.flush();
}

function writeFile(
  { path, digest }: NonNullable<BundleMember['file']>,
  size: number,
  sink: BundleSink,
  wanted: () => void,
): void {
  const fd = open(path, digest);
  try {
    const hash = createHash('sha256');
    for (let left = size; left > 0; ) {
      wanted();
      const room = sink.reserve();
      const read = readSync(fd, room, 0, Math.min(room.length, left), null);
      if (read === 0) throw new EngineError('corrupt', `blob ${digest} is shorter than ${size} bytes`);
      hash.update(room.subarray(0, read));
      sink.advance(read);
      left -= read;
    }
    const actual = digestOfHex(hash.digest('hex'));
    if (actual !== digest) throw new EngineError('corrupt', `blob ${digest}: its bytes have the digest ${actual}`);
  } finally {
    closeSync(fd);
  }
}

function open(path: string, digest: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    if ((error as { code?: string }).code !== 'ENOENT') throw error;
    throw notFound(`blob ${digest} is not in the store`);
  }
}
