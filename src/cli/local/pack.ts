import { lstatSync, readdirSync, readlinkSync, type Stats } from 'node:fs';
import { open } from 'node:fs/promises';
import type { TarEntry, TarEntryType } from '../../archive/tar/entry.ts';
import { encodeTarHeader, tarPadding, tarTrailer } from '../../archive/tar/write.ts';

const chunkSize = 1 << 20;
/** Headers and small files are sent together. */
const gatherSize = 256 << 10;

/**
 * An archive of a local file, link or directory with everything below it, its first member called `name`. `follow`: a
 * link at the path itself is followed. Sockets are left out; names are sorted.
 */
export async function* packLocal(path: string, name: string, follow: boolean): AsyncGenerator<Uint8Array, void> {
  const linked = new Map<string, string>();
  let gathered: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of members(follow ? realPath(path) : path, latin1(name), linked)) {
    gathered.push(piece);
    bytes += piece.length;
    if (bytes < gatherSize) continue;
    yield Buffer.concat(gathered, bytes);
    gathered = [];
    bytes = 0;
  }
  yield Buffer.concat([...gathered, tarTrailer()]);
}

const latin1 = (text: string): string => Buffer.from(text).toString('latin1');
const utf8 = (bytes: string): Buffer => Buffer.from(bytes, 'latin1');

/** Paths that end with a slash lead through a link at their end. */
const realPath = (path: string): string =>
  lstatSync(path).isSymbolicLink() ? process.getBuiltinModule('node:fs').realpathSync(path) : path;

async function* members(path: string | Buffer, name: string, linked: Map<string, string>): AsyncGenerator<Uint8Array> {
  const stat = lstatSync(path);
  const type = typeOf(stat);
  if (type === undefined) return;
  const key = `${stat.dev}:${stat.ino}`;
  const first = stat.nlink > 1 && type !== 'directory' ? linked.get(key) : undefined;
  if (first !== undefined) {
    yield encodeTarHeader({ ...metaOf(stat), type: 'hardlink', name, linkName: first });
    return;
  }
  if (stat.nlink > 1) linked.set(key, name);
  if (type === 'file') yield* file(path, name, stat);
  else if (type === 'directory') yield* directory(path, name, stat, linked);
  else {
    const linkName = type === 'symlink' ? readlinkSync(path, { encoding: 'latin1' }) : '';
    yield encodeTarHeader({ ...metaOf(stat), ...deviceOf(type, stat), type, name, linkName });
  }
}

async function* directory(
  path: string | Buffer,
  name: string,
  stat: Stats,
  linked: Map<string, string>,
): AsyncGenerator<Uint8Array> {
  yield encodeTarHeader({ ...metaOf(stat), type: 'directory', name: `${name}/` });
  const names = readdirSync(path, { encoding: 'latin1' }).sort();
  const prefix = Buffer.concat([Buffer.from(path as never), Buffer.from('/')]);
  for (const child of names) {
    try {
      yield* members(Buffer.concat([prefix, utf8(child)]), `${name}/${child}`, linked);
    } catch (error) {
      // It vanished meanwhile.
      if ((error as { code?: string }).code !== 'ENOENT') throw error;
    }
  }
}

async function* file(path: string | Buffer, name: string, { size, ...stat }: Stats): AsyncGenerator<Uint8Array> {
  const handle = await open(path, 'r');
  try {
    yield encodeTarHeader({ ...metaOf(stat as Stats), type: 'file', name, size });
    for (let left = size; left > 0; ) {
      const { bytesRead, buffer } = await handle.read(new Uint8Array(Math.min(chunkSize, left)));
      // As many bytes as the header says: one that became shorter is filled with zeros.
      yield bytesRead === 0 ? buffer : buffer.subarray(0, bytesRead);
      left -= bytesRead === 0 ? buffer.length : bytesRead;
    }
    yield tarPadding(size);
  } finally {
    await handle.close();
  }
}

function typeOf(stat: Stats): Exclude<TarEntryType, 'hardlink'> | undefined {
  if (stat.isFile()) return 'file';
  if (stat.isDirectory()) return 'directory';
  if (stat.isSymbolicLink()) return 'symlink';
  if (stat.isFIFO()) return 'fifo';
  if (stat.isCharacterDevice()) return 'char';
  return stat.isBlockDevice() ? 'block' : undefined;
}

const deviceOf = (type: TarEntryType, { rdev }: Stats): { major: number; minor: number } =>
  // gnu_dev_major(3) and gnu_dev_minor(3), for numbers that fit into 32 bits.
  type === 'char' || type === 'block'
    ? { major: (rdev >>> 8) & 0xfff, minor: (rdev & 0xff) | ((rdev >>> 12) & 0xfff00) }
    : { major: 0, minor: 0 };

const metaOf = ({ mode, uid, gid, mtimeMs }: Stats): TarEntry => ({
  type: 'file',
  name: '',
  linkName: '',
  mode: mode & 0o7777,
  uid,
  gid,
  size: 0,
  mtime: Math.floor(mtimeMs / 1000),
  mtimeNsec: 0,
  major: 0,
  minor: 0,
});
