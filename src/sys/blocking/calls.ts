/** What the syscall worker can do: arguments and results are plain data. */
import { bind, changeAttributes, mountNew, setPropagation, unmountPath } from '../mount/calls.ts';
import { mountErofsSync } from '../mount/erofs-calls.ts';
import { mountOverlaySync } from '../mount/overlay-calls.ts';
import { mkdirAllInRoot, openInRoot, readFileInRoot, resolveInRoot } from '../paths/inroot.ts';

export const blockingCalls = {
  mountNew,
  mountErofs: mountErofsSync,
  mountOverlay: mountOverlaySync,
  bind,
  changeAttributes,
  setPropagation,
  unmount: unmountPath,
  openInRoot,
  resolveInRoot,
  mkdirAllInRoot,
  readFileInRoot,
};

export type BlockingCalls = typeof blockingCalls;
