import {
  chmodSync,
  closeSync,
  constants,
  futimesSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  rmSync,
  symlinkSync,
  writeSync,
} from 'node:fs';
import { quoteName, type TarEntry } from '../../archive/tar/entry.ts';
import { TarParser, type TarHandler } from '../../archive/tar/parse.ts';
import { CliError } from '../errors.ts';

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;

/**
 * Unpacks an archive that a container wrote into a local directory. Names that lead out of it are refused, as are those
 * that lead through a link: a container could send an archive that writes anywhere. Owners stay the user's own.
 */
export async function unpackLocal(
  archive: AsyncIterable<Uint8Array>,
  directory: string,
  rename: { readonly from: string; readonly to: string } | undefined,
): Promise<void> {
  const tree = new LocalTree(directory, rename);
  const parser = new TarParser(tree);
  try {
    for await (const chunk of archive) parser.push(chunk);
    parser.finish();
    tree.complete();
  } finally {
    tree.close();
  }
}

class LocalTree implements TarHandler {
  readonly #root: Buffer;
  readonly #rename: { readonly from: string; readonly to: string } | undefined;
  /** Directories below the root that are known to be real ones. */
  readonly #real = new Set<string>(['']);
  readonly #directories: { readonly path: Buffer; readonly entry: TarEntry }[] = [];
  #file: { readonly fd: number; readonly entry: TarEntry } | undefined;

  constructor(directory: string, rename: { readonly from: string; readonly to: string } | undefined) {
    this.#root = Buffer.from(directory);
    this.#rename = rename === undefined ? undefined : { from: latin1(rename.from), to: latin1(rename.to) };
  }

  entry(entry: TarEntry): void {
    const parts = this.#parts(entry.name, entry.name);
    const name = parts.join('/');
    if (name === '') return;
    this.#makeParents(parts.slice(0, -1), entry);
    const path = this.#path(name);
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (found?.isDirectory() === true && entry.type !== 'directory') {
      throw new CliError(`cannot overwrite directory ${shown(path)} with non-directory ${shown(this.#root)}`);
    }
    if (found !== undefined && !found.isDirectory()) {
      if (entry.type === 'directory') {
        throw new CliError(`cannot overwrite non-directory ${shown(path)} with directory ${shown(this.#root)}`);
      }
      rmSync(path);
    }
    this.#make(path, entry, found !== undefined);
    if (entry.type === 'directory') this.#real.add(name);
  }

  data(chunk: Buffer): void {
    const fd = this.#file?.fd;
    if (fd === undefined) return;
    for (let at = 0; at < chunk.length; ) at += writeSync(fd, chunk, at);
  }

  end(): void {
    const file = this.#file;
    if (file === undefined) return;
    this.#file = undefined;
    futimesSync(file.fd, file.entry.mtime, file.entry.mtime);
    closeSync(file.fd);
  }

  complete(): void {
    // The innermost first: the mode of one may forbid to change what is in it.
    for (const { path, entry } of this.#directories.reverse()) {
      chmodSync(path, entry.mode);
      lutimesSync(path, entry.mtime, entry.mtime);
    }
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file.fd);
  }

  #make(path: Buffer, entry: TarEntry, isThere: boolean): void {
    switch (entry.type) {
      case 'directory':
        if (!isThere) mkdirSync(path, 0o700);
        this.#directories.push({ path, entry });
        return;
      case 'file': {
        const fd = openSync(path, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, 0o600);
        this.#file = { fd, entry };
        chmodSync(path, entry.mode);
        return;
      }
      case 'symlink':
        symlinkSync(Buffer.from(entry.linkName, 'latin1'), path);
        lutimesSync(path, entry.mtime, entry.mtime);
        return;
      case 'hardlink': {
        const target = this.#parts(entry.linkName, entry.name);
        this.#makeParents(target.slice(0, -1), entry);
        linkSync(this.#path(target.join('/')), path);
        return;
      }
      default:
        throw new CliError(`${quoteName(entry.name)} is a device or pipe: it cannot be copied to here`);
    }
  }

  /** The parts of a name, renamed. @throws CliError when it leads out. */
  #parts(name: string, member: string): string[] {
    const parts = name.split('/').filter((part) => part !== '' && part !== '.');
    const { from, to } = this.#rename ?? { from: '', to: '' };
    if (this.#rename !== undefined) {
      if (from === '.' || from === '/') parts.unshift(to);
      else if (parts[0] === from) parts[0] = to;
    }
    if (parts.includes('..')) throw new CliError(`${quoteName(member)} is outside of ${shown(this.#root)}`);
    return parts;
  }

  #makeParents(parts: readonly string[], entry: TarEntry): void {
    for (let length = 1; length <= parts.length; length++) {
      const name = parts.slice(0, length).join('/');
      if (this.#real.has(name)) continue;
      const found = lstatSync(this.#path(name), { throwIfNoEntry: false });
      if (found === undefined) mkdirSync(this.#path(name), 0o755);
      else if (!found.isDirectory())
        throw new CliError(`${quoteName(entry.name)} leads through ${shown(this.#path(name))}, which is no directory`);
      this.#real.add(name);
    }
  }

  #path(name: string): Buffer {
    return Buffer.concat([this.#root, Buffer.from('/'), Buffer.from(name, 'latin1')]);
  }
}

const latin1 = (text: string): string => Buffer.from(text).toString('latin1');
const shown = (path: Buffer): string => JSON.stringify(path.toString());
