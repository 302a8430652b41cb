import { unlink } from 'node:fs/promises';
import type { ContainerId } from '../base/ids.ts';
import type { Logger } from '../base/log.ts';
import type { ContainerLogs } from '../spec/contract/logs.ts';
import { systemCode } from '../sys/ffi/errors.ts';
import { entryAttributes } from './attributes.ts';
import { statePath } from './cuts.ts';
import { logPaths } from './log-file.ts';
import { readLog } from './read.ts';
import { rotateForever } from './rotate.ts';
import { checkSettings } from './settings/check.ts';
import { limitsOf } from './settings/limits.ts';

/** The logs that conmon writes in its `k8s-file` format: `<path>`, and rotated ones at `<path>.1` (newest) and on. */
export function openContainerLogs(settings: { readonly log: Logger }): ContainerLogs {
  const rotations = new Map<ContainerId, { readonly control: AbortController; readonly over: Promise<void> }>();
  const forget = (id: ContainerId): void => {
    rotations.get(id)?.control.abort();
    rotations.delete(id);
  };
  return {
    read: readLog,
    check: checkSettings,
    limits: limitsOf,
    attributes: entryAttributes,
    keepRotated(id, logPath, limits, reopen) {
      const before = rotations.get(id)?.over ?? Promise.resolve();
      forget(id);
      const control = new AbortController();
      const log = settings.log.with({ container: id });
      // Two at work on one log would rename each other's files.
      const over = before.then(() => rotateForever(logPath, limits, reopen, log, control.signal));
      rotations.set(id, { control, over });
    },
    forget,
    async remove(logPath) {
      for (const path of [...(await logPaths(logPath)), statePath(logPath)]) {
        await unlink(path).catch((error: unknown) => {
          if (systemCode(error) !== 'ENOENT') throw error;
        });
      }
    },
  };
}
