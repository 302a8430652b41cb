import { createHash } from 'node:crypto';
import { decompress } from '../../archive/compress/decompress.ts';
import { cleanComponents } from '../../archive/layer/paths.ts';
import { type ByteString, quoteName, type TarEntry } from '../../archive/tar/entry.ts';
import { readTar } from '../../archive/tar/read.ts';
import { invalid } from '../../base/errors.ts';
import type { ByteStream } from '../../base/stream.ts';
import { Turns } from '../../base/turns.ts';
import type { Contexts } from './contexts.ts';
import { addExtent, type Extent, type Pack } from './pack.ts';
import {
  checkCount,
  type ContextEntry,
  type ContextTree,
  type FileContent,
  impliedDirectory,
  inOrderByTurns,
  TreeBuilder,
} from './tree.ts';

/** Bytes of a context; what does not fit on the disk ends earlier. */
const mostBytes = 2 ** 38;

/**
 * The files of an archive as a context, which the caller holds. Directories that no member describes are there, a later
 * member of a name takes the place of an earlier one. @throws corrupt, invalid for names that lead out of it
 */
export async function contextFromTar(contexts: Contexts, archive: ByteStream): Promise<ContextTree> {
  const pack = await contexts.newPack();
  try {
    const members = new Map<ByteString, ContextEntry>();
    const plain = decompress(archive, { maxBytes: mostBytes, what: 'the build context' });
    for await (const { entry, body } of readTar(plain)) {
      const path = cleanComponents(entry.name).join('/');
      if (path === '') continue;
      const content = entry.type === 'file' ? await stored(pack, body) : undefined;
      checkCount(members.size);
      members.set(path, entry.type === 'hardlink' ? linked(members, path, entry) : contextEntry(path, entry, content));
    }
    await pack.flush();
    const builder = new TreeBuilder(contexts.mostBytes);
    const turns = new Turns();
    for (const entry of await ordered(members)) {
      builder.add(entry);
      if (turns.isOver) await turns.next();
    }
    pack.hold();
    return { entries: builder.finish(), packs: new Set([pack]) };
  } finally {
    await pack.release();
  }
}

async function stored(pack: Pack, body: ByteStream): Promise<FileContent> {
  const hash = createHash('sha256');
  const extents: Extent[] = [];
  let size = 0;
  for await (const chunk of body) {
    hash.update(chunk);
    size += chunk.length;
    addExtent(extents, await pack.append(chunk));
  }
  return { size, extents, sha256: hash.digest('hex') };
}

/** Another name of a file is a file of its own, with the same content: names are sorted, and which comes first is lost. */
function linked(
  members: ReadonlyMap<ByteString, ContextEntry>,
  path: ByteString,
  { linkName }: TarEntry,
): ContextEntry {
  const target = members.get(cleanComponents(linkName).join('/'));
  if (target?.content === undefined)
    throw invalid(`the build context has a hard link ${quoteName(path)} to no file of it`);
  return { ...target, path };
}

const contextEntry = (path: ByteString, entry: TarEntry, content: FileContent | undefined): ContextEntry => ({
  path,
  type: entry.type,
  mode: entry.mode,
  uid: entry.uid,
  gid: entry.gid,
  mtimeNs: BigInt(entry.mtime) * 1_000_000_000n + BigInt(entry.mtimeNsec),
  linkName: entry.linkName,
  major: entry.major,
  minor: entry.minor,
  size: entry.size,
  ...(content === undefined ? {} : { content }),
});

/** Of all folders that only the names of others imply: what an archive does not say has to stay small. */
const mostImpliedBytes = 64 << 20;

/** Parents before what is in them, names in byte order; the folders that names imply are there. @throws EngineError `invalid` for too many */
async function ordered(members: ReadonlyMap<ByteString, ContextEntry>): Promise<ContextEntry[]> {
  const all = new Map(members);
  const turns = new Turns();
  let implied = 0;
  for (const path of members.keys()) {
    for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) {
      const parent = path.slice(0, at);
      if (all.has(parent)) break;
      all.set(parent, { ...impliedDirectory, path: parent });
      checkCount(all.size);
      implied += parent.length;
      if (implied > mostImpliedBytes) {
        throw invalid(
          `the build context implies folders whose names are longer than ${mostImpliedBytes} bytes together`,
        );
      }
    }
    if (turns.isOver) await turns.next();
  }
  return inOrderByTurns([...all.values()]);
}
