import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { BuildImages, BuildSteps, HostPlatforms } from '../../spec/contract/build.ts';
import type { Platform } from '../../spec/oci/image.ts';
import type { StepCache } from '../cache/cache.ts';
import type { Contexts } from '../context/contexts.ts';
import type { PlanThread } from '../planner/planner.ts';
import type { Sources } from '../sources/fetch.ts';
import type { Sessions } from '../session/session.ts';
import type { Semaphore } from '../../base/async.ts';
import type { Flights } from './flights.ts';
import type { CacheMounts } from './cache-mounts.ts';

/** What the engine allows builds whose clients ask for it. */
export interface Entitlements {
  /** Commands without the sandbox. */
  readonly insecure: boolean;
  /** Devices of the host, by their descriptions. */
  readonly devices: boolean;
  /** The host's network for commands. */
  readonly hostNetwork: boolean;
}

/** What builds stand on. */
export interface SolvePorts {
  readonly images: BuildImages;
  readonly steps: BuildSteps;
  readonly cache: StepCache;
  readonly contexts: Contexts;
  /** Steps that are being made. */
  readonly flights: Flights;
  /** Steps of all builds that run at the same time. */
  readonly slots: Semaphore;
  readonly sessions: Sessions;
  readonly cacheMounts: CacheMounts;
  /** A build has ended, and left something: begins to make room where that is too much. */
  readonly keepBudget: () => void;
  /** Plans Dockerfiles that would hold the engine up. */
  readonly planThread: PlanThread;
  /** For what lies elsewhere. */
  readonly sources: Sources;
  /** Of the engine alone; nothing in it outlives a step. */
  readonly secretDirectory: string;
  readonly entitlements: Entitlements;
  /** Of this host. */
  readonly platform: Platform;
  /** What commands can be for. */
  readonly runnable: HostPlatforms;
  readonly clock: Clock;
  readonly log: Logger;
}
