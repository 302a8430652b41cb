import { readTar } from '../../archive/tar/read.ts';
import type { ByteString, TarEntry } from '../../archive/tar/entry.ts';
import { writeTar } from '../../archive/tar/write.ts';
import type { ByteStream } from '../../base/stream.ts';
import { bytesOf } from './source.ts';

/**
 * The archive of what a step changed without the empty files and directories that were made for its mounts, and the
 * directories above them that hold nothing else: they are not what the command made.
 */
export function withoutMountPoints(archive: ByteStream, targets: readonly string[]): ByteStream {
  if (targets.length === 0) return archive;
  return writeTar(others(archive, new Set(targets.map((target) => bytesOf(trimmed(target))))), 'passing');
}

const trimmed = (path: string): string => path.replace(/^\.?\/+|\/+$/g, '');

async function* others(archive: ByteStream, points: ReadonlySet<ByteString>) {
  const above = new Set([...points].flatMap(parentsOf));
  /** Directories above mounts, as long as nothing else was seen in them. */
  let held: { readonly name: ByteString; readonly entry: TarEntry }[] = [];
  for await (const { entry, body } of readTar(archive)) {
    const name = trimmed(entry.name);
    const isEmpty = entry.type === 'directory' || (entry.type === 'file' && entry.size === 0);
    if (points.has(name) && isEmpty) continue;
    held = held.filter((one) => name.startsWith(`${one.name}/`));
    if (above.has(name) && entry.type === 'directory') {
      held.push({ name, entry });
      continue;
    }
    for (const one of held) yield { entry: one.entry };
    held = [];
    yield { entry, ...(entry.type === 'file' ? { body } : {}) };
  }
}

function parentsOf(path: ByteString): ByteString[] {
  const parents: ByteString[] = [];
  for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) parents.push(path.slice(0, at));
  return parents;
}
