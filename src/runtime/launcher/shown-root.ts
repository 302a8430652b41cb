import { chmodSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { EngineError } from '../../base/errors.ts';
import type { LauncherContext } from './context.ts';

/** Others may pass through, nobody may list. */
const passable = 0o711;
const othersPass = 0o001;

/**
 * A directory at which a runtime finds the root of a container with a user namespace. Runtimes enter the namespace first,
 * and its root may not pass the engine's directories, which are closed to all but the host's root. So the container's root
 * is shown here too, but only in the mounts of its own monitor: on the host the directory is always empty.
 * @throws unavailable when a directory above the exec root is closed.
 */
export function placeForRoot(context: LauncherContext): string {
  const execRoot = dirname(context.stateDirectory);
  const place = `${execRoot}/rootfs`;
  chmodSync(execRoot, passable);
  for (let above = dirname(execRoot); above !== '/'; above = dirname(above)) {
    if ((statSync(above).mode & othersPass) !== 0) continue;
    throw new EngineError(
      'unavailable',
      `user namespaces need an exec root that everybody may pass to: others cannot search ${above}`,
    );
  }
  return place;
}
