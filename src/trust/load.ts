import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { invalid, messageOf } from '../base/errors.ts';
import type { TrustPolicy } from '../spec/contract/trust.ts';
import { acceptAll, policyOf } from './judge.ts';
import { parsePolicy } from './policy.ts';

const largestPolicy = 1024 * 1024;
const largestKey = 64 * 1024;

/**
 * Reads a policy and the keys that it names. Without a file everything is accepted, unless it is `required`.
 * @throws EngineError `invalid` naming the file and the place in it
 */
export async function loadTrustPolicy(path: string, required: boolean): Promise<TrustPolicy> {
  try {
    const text = await readSmallFile(path, largestPolicy);
    return policyOf(await parsePolicy(text, (file) => readSmallFile(file, largestKey)), path);
  } catch (error) {
    if (!required && (error as NodeJS.ErrnoException).code === 'ENOENT') return acceptAll();
    throw invalid(`trust policy ${path}: ${messageOf(error)}`, error);
  }
}

/** Only regular files: a FIFO would hold the engine up. */
async function readSmallFile(path: string, limit: number): Promise<string> {
  await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const info = await file.stat();
  if (!info.isFile()) throw invalid('it is no regular file');
  if (info.size > limit) throw invalid(`it is larger than the allowed ${limit} bytes`);
  return await file.readFile('utf8');
}
