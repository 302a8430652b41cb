import { mkdir, rm } from 'node:fs/promises';
import type { Clock } from '../base/clock.ts';
import { Semaphore } from '../base/async.ts';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { BuildImages, BuildSteps, ConfinedPrograms, Download, HostPlatforms } from '../spec/contract/build.ts';
import type { StateJournal } from '../spec/contract/state.ts';
import type { Platform } from '../spec/oci/image.ts';
import { ClassicBuilds } from './classic/builds.ts';
import type { ClassicBuild } from '../spec/contract/classic-build.ts';
import type { ByteStream } from '../base/stream.ts';
import { keepCacheBudget } from './cache/budget.ts';
import { StepCache } from './cache/cache.ts';
import { cacheView } from './cache/view.ts';
import { Contexts } from './context/contexts.ts';
import type { WorkerFacts } from './control/ports.ts';
import { type BuildControl, createControl } from './control/service.ts';
import { Sessions } from './session/session.ts';
import type { PlanThread } from './planner/planner.ts';
import { Flights } from './solve/flights.ts';
import type { StorageBudget } from '../spec/engine/storage-budget.ts';
import { CacheMounts } from './solve/cache-mounts.ts';
import type { Entitlements, SolvePorts } from './solve/ports.ts';
import { GitRepositories } from './sources/git.ts';
import { HttpFiles } from './sources/http.ts';
import { createSolver } from './solver.ts';

export interface BuildOptions {
  /** Of the builder alone; contexts are kept there while the engine runs. */
  readonly directory: string;
  /** The same for what must not reach a disk, where the host has memory for it. */
  readonly secretDirectory: string;
  readonly journal: StateJournal;
  readonly images: BuildImages;
  readonly steps: BuildSteps;
  /** Steps of all builds that run at the same time. */
  readonly jobs: number;
  /** What may be left for later builds; undefined for no limit. */
  readonly cacheBudget: StorageBudget['limit'] | undefined;
  /** Bytes of one context; undefined for no limit. */
  readonly contextLimit: number | undefined;
  readonly planThread: PlanThread;
  /** Runs git for what strangers keep in repositories. */
  readonly programs: ConfinedPrograms;
  readonly download: Download;
  /** Variables that tell git of the engine's proxies. */
  readonly proxyVariables: Readonly<Record<string, string>>;
  readonly worker: WorkerFacts;
  readonly entitlements: Entitlements;
  readonly platform: Platform;
  readonly runnable: HostPlatforms;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The builder of one engine: both of Docker's protocols. */
export interface Builds extends BuildControl {
  /** See `ClassicBuilds`. */
  build(request: ClassicBuild): Promise<void>;
  upload(id: string, archive: ByteStream, signal: AbortSignal): Promise<void>;
}

/** Opens the builder; to be called before unused layers are collected for the first time. `close` ends all builds and sessions. */
export async function openBuilds(options: BuildOptions): Promise<Builds> {
  const { journal, images, steps, programs, platform, clock, log, worker } = options;
  const cache = new StepCache(journal, clock);
  await cache.load(log);
  images.keepLayers(() => cache.layers());
  const contexts = await Contexts.open(`${options.directory}/contexts`, options.contextLimit);
  const { secretDirectory } = options;
  await rm(secretDirectory, { recursive: true, force: true });
  await mkdir(secretDirectory, { recursive: true, mode: 0o700 });
  const git = await GitRepositories.open({
    contexts,
    programs,
    proxies: options.proxyVariables,
    directory: `${options.directory}/git`,
  });
  const sessions = new Sessions(log);
  let keeping: Promise<void> | undefined;
  const keepBudget = (): void => {
    const { cacheBudget: limit, directory } = options;
    if (limit === undefined) return;
    keeping ??= keepCacheBudget({ cache, contexts, images, directory, log }, limit)
      .catch((error: unknown) =>
        log.warn('the budget of the build cache could not be kept', { error: messageOf(error) }),
      )
      .finally(() => {
        keeping = undefined;
      });
  };
  const ports: SolvePorts = {
    images,
    steps,
    cache,
    contexts,
    sessions,
    flights: new Flights(),
    slots: new Semaphore(options.jobs),
    keepBudget,
    planThread: options.planThread,
    cacheMounts: new CacheMounts(),
    sources: { http: new HttpFiles(contexts, options.download), git },
    secretDirectory,
    entitlements: options.entitlements,
    platform,
    runnable: options.runnable,
    clock,
    log,
  };
  const solver = createSolver(ports);
  const view = cacheView({ cache, contexts, images, directory: options.directory, clock });
  const control = createControl({ sessions, solver, cache: view, worker, log }, `${options.directory}/history`);
  const classic = new ClassicBuilds(ports, (job) => control.remember(job));
  return {
    ...control,
    build: (request) => classic.build(request),
    upload: (id, archive, signal) => classic.upload(id, archive, signal),
    cancel: (id) => classic.cancel(id) || control.cancel(id),
    async close() {
      classic.close();
      await control.close();
    },
  };
}
