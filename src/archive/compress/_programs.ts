import { access, constants } from 'node:fs/promises';
import { EngineError } from '../../base/errors.ts';
import type { ByteStream } from '../../base/stream.ts';
import { FilterError, filterThrough } from '../../sys/process/filter.ts';

/** What Node cannot decompress is left to the host's programs: their package on Debian, and how they are called. */
const programs = {
  // The largest of xz's presets takes 65 MiB; a header may ask for a dictionary of 1.5 GiB.
  xz: { package: 'xz-utils', args: ['-dcq', '--memlimit-decompress=256MiB'] },
  bzip2: { package: 'bzip2', args: ['-dcq'] },
} as const;

const folders = ['/usr/local/bin', '/usr/bin', '/bin'];

/** @throws EngineError `corrupt` for damaged or cut streams, `unavailable` when the program is not installed */
export async function* decompressByProgram(
  program: keyof typeof programs,
  source: ByteStream,
  { what, signal }: { readonly what: string; readonly signal?: AbortSignal },
): AsyncGenerator<Uint8Array, void, undefined> {
  const { args, package: name } = programs[program];
  const path = await findProgram(program);
  if (path === undefined) {
    // Begun, so that it ends in order.
    for await (const _ of source) break;
    throw new EngineError('unavailable', `${what} is compressed with ${program}: install the package ${name}`);
  }
  try {
    yield* filterThrough(source, { path, args, ...(signal === undefined ? {} : { signal }) });
  } catch (error) {
    if (!(error instanceof FilterError)) throw error;
    throw new EngineError('corrupt', `${what} cannot be decompressed: ${error.message}`, { cause: error });
  }
}

async function findProgram(name: string): Promise<string | undefined> {
  for (const folder of folders) {
    const path = `${folder}/${name}`;
    const found = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return path;
  }
  return undefined;
}
