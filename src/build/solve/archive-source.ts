import { decompress } from '../../archive/compress/decompress.ts';
import { cleanComponents } from '../../archive/layer/paths.ts';
import { readTar } from '../../archive/tar/read.ts';
import { codeOf } from '../../base/errors.ts';
import type { ByteStream } from '../../base/stream.ts';
import type { CopiedMember, CopiedSource } from './source.ts';

/** Of an archive that is unpacked; what does not fit on the disk ends earlier. */
const mostBytes = 2 ** 38;

/** The content of a file as ADD unpacks it; undefined when the file is no archive. */
export async function unpackable(file: CopiedSource): Promise<CopiedSource | undefined> {
  if (!(await isArchive(file))) return undefined;
  return { name: '', isDirectory: true, members: () => members(file) };
}

async function isArchive(file: CopiedSource): Promise<boolean> {
  try {
    for await (const _member of readTar(contentOf(file))) return true;
  } catch (error) {
    if (!['corrupt', 'invalid'].includes(codeOf(error))) throw error;
  }
  return false;
}

async function* contentOf(file: CopiedSource): ByteStreamGenerator {
  for await (const { body } of file.members()) {
    if (body !== undefined) yield* decompress(kept(body), { maxBytes: mostBytes, what: 'the archive' });
  }
}

/** What decompresses gathers pieces, and those of a member do not stay. */
async function* kept(body: ByteStream): ByteStreamGenerator {
  for await (const piece of body) yield Buffer.from(piece);
}
type ByteStreamGenerator = AsyncGenerator<Uint8Array> & ByteStream;

async function* members(file: CopiedSource): AsyncGenerator<CopiedMember> {
  for await (const { entry, body } of readTar(contentOf(file))) {
    // Names that lead out of the root are refused.
    const path = cleanComponents(entry.name).join('/');
    if (path === '') continue;
    yield {
      path,
      entry,
      ...(entry.type === 'hardlink' ? { linkPath: cleanComponents(entry.linkName).join('/') } : {}),
      ...(entry.type === 'file' ? { body } : {}),
    };
  }
}
