import { mkdir, rm } from 'node:fs/promises';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { BuildImages, BuildSteps } from '../spec/contract/build.ts';
import type { StateJournal } from '../spec/contract/state.ts';
import type { Platform } from '../spec/oci/image.ts';
import { buildClassic, type ClassicBuild } from './classic.ts';
import { StepCache } from './cache/cache.ts';
import { cacheView } from './cache/view.ts';
import { Contexts } from './context/contexts.ts';
import type { WorkerFacts } from './control/ports.ts';
import { type BuildControl, createControl } from './control/service.ts';
import { Sessions } from './session/session.ts';
import { CacheMounts } from './solve/cache-mounts.ts';
import type { Entitlements, SolvePorts } from './solve/ports.ts';
import { createSolver } from './solver.ts';

export interface BuildOptions {
  /** Of the builder alone; contexts are kept there while the engine runs. */
  readonly directory: string;
  /** The same for what must not reach a disk, where the host has memory for it. */
  readonly secretDirectory: string;
  readonly journal: StateJournal;
  readonly images: BuildImages;
  readonly steps: BuildSteps;
  readonly worker: WorkerFacts;
  readonly entitlements: Entitlements;
  readonly platform: Platform;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The builder of one engine: both of Docker's protocols. */
export interface Builds extends BuildControl {
  /** See `buildClassic`. */
  build(request: ClassicBuild): Promise<void>;
}

/** Opens the builder; to be called before unused layers are collected for the first time. `close` ends all builds and sessions. */
export async function openBuilds(options: BuildOptions): Promise<Builds> {
  const { journal, images, steps, platform, clock, log, worker } = options;
  const cache = new StepCache(journal, clock);
  await cache.load(log);
  images.keepLayers(() => cache.layers());
  const contexts = await Contexts.open(`${options.directory}/contexts`);
  const { secretDirectory } = options;
  await rm(secretDirectory, { recursive: true, force: true });
  await mkdir(secretDirectory, { recursive: true, mode: 0o700 });
  const sessions = new Sessions(log);
  const ports: SolvePorts = {
    images,
    steps,
    cache,
    contexts,
    sessions,
    cacheMounts: new CacheMounts(),
    secretDirectory,
    entitlements: options.entitlements,
    platform,
    clock,
    log,
  };
  const solver = createSolver(ports);
  const control = createControl({ sessions, solver, cache: cacheView(cache, contexts, images, clock), worker, log });
  return { ...control, build: (request) => buildClassic(ports, request) };
}
