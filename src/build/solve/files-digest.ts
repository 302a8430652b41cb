import { createHash } from 'node:crypto';
import type { ByteString, TarEntry } from '../../archive/tar/entry.ts';
import type { CopiedMember, CopiedSource } from './source.ts';

/**
 * Stands for the files that are copied: their names, kinds, modes, owners and contents, whatever made them and when. In hex.
 * Reads all of them.
 */
export async function filesDigest(sources: readonly CopiedSource[]): Promise<string> {
  const hash = createHash('sha256');
  for (const source of sources) {
    hash.update(JSON.stringify([source.isDirectory ? '' : source.name]));
    const lines: [ByteString, string][] = [];
    for await (const member of source.members()) {
      // Of a directory only what is in it is copied.
      if (member.path === '' && source.isDirectory) continue;
      lines.push([member.path, JSON.stringify([...described(member.entry), member.linkPath, await contentOf(member)])]);
    }
    // Views of the same files may list them in other orders.
    lines.sort(([a], [b]) => (a < b ? -1 : 1));
    for (const line of lines) hash.update(JSON.stringify(line));
  }
  return hash.digest('hex');
}

function described({ type, mode, uid, gid, linkName, major, minor, xattrs }: TarEntry): unknown[] {
  const attributes = [...(xattrs ?? [])].map(([name, value]) => `${name}=${Buffer.from(value).toString('base64')}`);
  return [
    type,
    mode,
    uid,
    gid,
    type === 'symlink' ? linkName : '',
    major,
    minor,
    attributes.toSorted((a, b) => (a < b ? -1 : 1)),
  ];
}

async function contentOf({ entry, body }: CopiedMember): Promise<string> {
  if (entry.type !== 'file' || body === undefined) return '';
  const hash = createHash('sha256');
  for await (const piece of body) hash.update(piece);
  return hash.digest('hex');
}
