import { constants } from 'node:fs';
import { closeFd } from '../../sys/ffi/descriptor.ts';
import { systemCode } from '../../sys/ffi/errors.ts';
import { makeDirectoryAt } from '../../sys/file/at.ts';
import { native, removeAt } from '../../sys/file/entries.ts';
import { O_PATH, openInRoot } from '../../sys/paths/inroot.ts';
import type { ByteString } from '../tar/entry.ts';

/** One name in an open directory. */
export interface Place {
  readonly directory: number;
  readonly name: ByteString;
}

const { O_DIRECTORY } = constants;

/** The directories below the one that an archive is unpacked into. The last one that was used is kept open. */
export class Destination {
  readonly #root: number;
  readonly #path: string;
  #parent: { readonly path: string; readonly fd: number } | undefined;

  /** `root` is the descriptor of the root that nothing leaves, `path` the absolute link-free one of the directory. */
  constructor({ root, path }: { readonly root: number; readonly path: string }) {
    this.#root = root;
    this.#path = path;
  }

  /** A directory below the one that is unpacked into, through links inside the root; missing ones are made. */
  open(components: readonly ByteString[]): number {
    const path = components.join('/');
    if (this.#parent?.path === path) return this.#parent.fd;
    this.close();
    const fd = this.#tryOpen(components) ?? this.#makeAll(components);
    this.#parent = { path, fd };
    return fd;
  }

  /** Opens an existing directory; the descriptor is the caller's. @throws SystemError `ENOENT`. */
  find(components: readonly ByteString[]): number {
    return openInRoot(this.#root, this.#bytes(components), O_PATH | O_DIRECTORY);
  }

  /** Deletes what is at a name, with everything below it. */
  remove({ directory, name }: Place): void {
    removeAt(directory, name);
    // The directory that is kept open may be gone now, unless it is the one that something was removed from.
    if (this.#parent?.fd !== directory) this.close();
  }

  #tryOpen(components: readonly ByteString[]): number | undefined {
    try {
      return this.find(components);
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  #makeAll(components: readonly ByteString[]): number {
    let fd = this.find([]);
    for (let at = 0; at < components.length; at++) {
      try {
        let next = this.#tryOpen(components.slice(0, at + 1));
        if (next === undefined) {
          makeDirectoryAt(fd, native(components[at] ?? ''), 0o755);
          next = openInRoot(fd, native(components[at] ?? ''), O_PATH | O_DIRECTORY, 0, { noSymlinks: true });
        }
        closeFd(fd);
        fd = next;
      } catch (error) {
        closeFd(fd);
        throw error;
      }
    }
    return fd;
  }

  #bytes(components: readonly ByteString[]): Buffer {
    const below = components.length === 0 ? '' : `/${components.join('/')}`;
    return Buffer.concat([Buffer.from(this.#path), Buffer.from(`${below}\0`, 'latin1')]);
  }

  /** Closes the directory that is kept open. */
  close(): void {
    if (this.#parent !== undefined) closeFd(this.#parent.fd);
    this.#parent = undefined;
  }
}
