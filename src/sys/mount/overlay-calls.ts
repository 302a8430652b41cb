/** Overlay mounts for the syscall worker: layers one by one where the kernel can, short relative links elsewhere. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { check } from '../ffi/errors.ts';
import { openLibrary } from '../ffi/library.ts';
import { type MountOption, mountClassic, mountNew } from './calls.ts';
import { withIdMapped } from './idmap-calls.ts';
import { makeRealDirectories, type WantedDirectory } from './real-directories.ts';

const libc = openLibrary(null, {
  chdir: { arguments: ['pointer'], return: 'i32' },
  unshare: { arguments: ['i32'], return: 'i32' },
});
const CLONE_FS = 0x200;

/**
 * How the kernel is told the layers: one by one (`lowerdir+`, Linux 6.7), or all in one option of mount(2), as short
 * relative links.
 */
export type OverlayMethod = 'append' | 'links';

export interface OverlayRequest {
  readonly method: OverlayMethod;
  /** Read-only layers, the topmost first. Absolute paths. */
  readonly lower: readonly string[];
  /** The writable directory and the empty work directory beside it, on one file system; both or none. */
  readonly upper?: string;
  readonly work?: string;
  readonly target: string;
  /** Make the target when it is not there. */
  readonly makeTarget?: boolean;
  /** Names at the top of `upper` that must be real directories in the overlay. */
  readonly realDirectories?: readonly WantedDirectory[];
  /** The layers show the owners of this user namespace (a descriptor); what is written has them already. */
  readonly userNamespace?: number | undefined;
  /** More parameters: `volatile`, `userxattr`, `['index', 'off']`. */
  readonly options?: readonly MountOption[];
}

/** Mounts an overlay. Any number of layers up to the kernel's 500. @throws SystemError: `EINVAL` for `append` before Linux 6.7. */
export function mountOverlaySync(request: OverlayRequest): void {
  if (request.upper !== undefined) makeRealDirectories(request.upper, request.realDirectories ?? []);
  if (request.work !== undefined && request.options?.includes('volatile') === true) {
    // The mark of an earlier volatile mount: the kernel takes it for one that a power failure ended.
    rmSync(`${request.work}/work/incompat`, { recursive: true, force: true });
  }
  if (request.makeTarget === true) mkdirSync(request.target, { recursive: true, mode: 0o700 });
  if (request.userNamespace === undefined) return mountLayers(request);
  const beside = dirname(request.target);
  withIdMapped(request.lower, request.userNamespace, beside, (lower) => mountLayers({ ...request, lower }));
}

function mountLayers(request: OverlayRequest): void {
  if (request.method === 'append') mountAppending(request);
  else mountByLinks(request);
}

function mountAppending(request: OverlayRequest): void {
  const options: MountOption[] = request.lower.map((path) => ['lowerdir+', path] as const);
  if (request.upper !== undefined) options.push(['upperdir', request.upper]);
  if (request.work !== undefined) options.push(['workdir', request.work]);
  options.push(['source', 'overlay'], ...(request.options ?? []));
  mountNew('overlay', options, request.target);
}

let ownDirectory = false;

/**
 * mount(2) takes one page of options: too little for many absolute paths. So the layers are named by links `0`, `1`, ...
 * in a directory that this thread (and only this thread) makes its working directory meanwhile.
 */
function mountByLinks(request: OverlayRequest): void {
  if (!ownDirectory) check(libc.unshare(CLONE_FS), 'unshare');
  ownDirectory = true;
  const directory = mkdtempSync('/tmp/.overlay-');
  try {
    for (const [index, path] of request.lower.entries()) symlinkSync(path, `${directory}/${index}`);
    const options = [`lowerdir=${request.lower.map((_, index) => index).join(':')}`];
    for (const [key, name, path] of [
      ['upperdir', 'u', request.upper] as const,
      ['workdir', 'w', request.work] as const,
    ]) {
      if (path === undefined) continue;
      symlinkSync(path, `${directory}/${name}`);
      options.push(`${key}=${name}`);
    }
    for (const option of request.options ?? []) options.push(typeof option === 'string' ? option : option.join('='));
    check(libc.chdir(directory), 'chdir', directory);
    mountClassic('overlay', request.target, 'overlay', options.join(','));
  } finally {
    check(libc.chdir('/'), 'chdir', '/');
    rmSync(directory, { recursive: true, force: true });
  }
}
