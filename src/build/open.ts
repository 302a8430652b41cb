import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { BuildImages, BuildSteps } from '../spec/contract/build.ts';
import type { StateJournal } from '../spec/contract/state.ts';
import type { Platform } from '../spec/oci/image.ts';
import { StepCache } from './cache/cache.ts';
import { cacheView } from './cache/view.ts';
import { Contexts } from './context/contexts.ts';
import type { WorkerFacts } from './control/ports.ts';
import { type BuildControl, createControl } from './control/service.ts';
import { Sessions } from './session/session.ts';
import { createSolver } from './solver.ts';

export interface BuildOptions {
  /** Of the builder alone; contexts are kept there while the engine runs. */
  readonly directory: string;
  readonly journal: StateJournal;
  readonly images: BuildImages;
  readonly steps: BuildSteps;
  readonly worker: WorkerFacts;
  readonly platform: Platform;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Opens the builder; to be called before unused layers are collected for the first time. `close` ends all builds and sessions. */
export async function openBuilds(options: BuildOptions): Promise<BuildControl> {
  const { journal, images, steps, platform, clock, log, worker } = options;
  const cache = new StepCache(journal, clock);
  await cache.load(log);
  images.keepLayers(() => cache.layers());
  const contexts = await Contexts.open(`${options.directory}/contexts`);
  const sessions = new Sessions(log);
  return createControl({
    sessions,
    solver: createSolver({ images, steps, cache, contexts, sessions, platform, clock, log }),
    cache: cacheView(cache, contexts, images, clock),
    worker,
    log,
  });
}
