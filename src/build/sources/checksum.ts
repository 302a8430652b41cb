import { createHash } from 'node:crypto';
import { invalid } from '../../base/errors.ts';
import type { ByteStream } from '../../base/stream.ts';
import { checksumForms, isChecksum } from '../plan/checksum.ts';

/** The digest of bytes, by the algorithm that a checksum names. @throws EngineError `invalid` for a checksum that is none */
export async function digestLike(checksum: string, bytes: ByteStream): Promise<string> {
  if (!isChecksum(checksum)) throw invalid(`invalid checksum ${JSON.stringify(checksum)}: expected ${checksumForms}`);
  const [algorithm = ''] = checksum.split(':', 1);
  const hash = createHash(algorithm);
  for await (const chunk of bytes) hash.update(chunk);
  return `${algorithm}:${hash.digest('hex')}`;
}
