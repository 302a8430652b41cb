import { EngineError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { WorkerFacts } from './control/ports.ts';
import { type BuildControl, createControl } from './control/service.ts';
import { Sessions } from './session/session.ts';

export interface BuildOptions {
  readonly worker: WorkerFacts;
  readonly log: Logger;
}

/** Opens the builder. `close` ends all builds and sessions. */
export function openBuilds({ worker, log }: BuildOptions): BuildControl {
  return createControl({
    sessions: new Sessions(log),
    solver: {
      async solve() {
        throw new EngineError('not-implemented', 'builds are not implemented by this engine yet');
      },
      export: () => Promise.resolve(new Map()),
      release: () => Promise.resolve(),
    },
    // Nothing was built, so nothing is kept.
    cache: { records: () => Promise.resolve([]), prune: () => Promise.resolve([]) },
    worker,
    log,
  });
}
