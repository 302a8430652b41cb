/** Names in a directory that must not be links or files. For the syscall worker: may sleep. */
import { chmodSync, chownSync, lstatSync, mkdirSync, rmSync, statSync } from 'node:fs';

export interface WantedDirectory {
  readonly name: string;
  /** Make it when nothing is there; else only what is no directory is replaced by one. */
  readonly make: boolean;
}

/** Replaces what is no directory at these names by an empty one, which belongs to the owner of `parent`. Nobody else may change `parent` meanwhile. */
export function makeRealDirectories(parent: string, wanted: readonly WantedDirectory[]): void {
  for (const { name, make } of wanted) {
    const path = `${parent}/${name}`;
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (found?.isDirectory() === true || (found === undefined && !make)) continue;
    if (found !== undefined) rmSync(path);
    mkdirSync(path);
    chmodSync(path, 0o755);
    const { uid, gid } = statSync(parent);
    chownSync(path, uid, gid);
  }
}
