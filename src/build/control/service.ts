import type { Duplex } from 'node:stream';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { serveGrpc, type Methods, type Method } from '../grpc/server.ts';
import { Sessions, type SessionInfo } from '../session/session.ts';
import { cacheMethods } from './cache.ts';
import { contentMethods } from './content.ts';
import { gatewayMethods } from './gateway.ts';
import { historyMethods } from './history.ts';
import { BuildHistory } from './history-store.ts';
import type { BuildJob } from './job.ts';
import { BuildJobs } from './jobs.ts';
import type { CacheView, Solver, WorkerFacts } from './ports.ts';
import { sessionMethod } from './session.ts';
import { solveMethods } from './solve.ts';
import { workerMethods } from './worker.ts';

/** What all methods work with. */
export interface ControlContext {
  readonly jobs: BuildJobs;
  readonly sessions: Sessions;
  readonly solver: Solver;
  readonly cache: CacheView;
  readonly worker: WorkerFacts;
  readonly log: Logger;
}

/** BuildKit's side of the engine: connections that speak gRPC, and sessions. */
export interface BuildControl {
  /** Serves a connection that speaks HTTP/2 from its next byte on; resolves when it is over. */
  serve(connection: Duplex): Promise<void>;
  /** @throws EngineError `invalid` or `conflict` for a session that cannot be */
  checkSession(info: SessionInfo): void;
  /** Opens a session on a connection; resolves when it is over. */
  openSession(connection: Duplex, info: SessionInfo): Promise<void>;
  /** What the cache of builds keeps. */
  readonly cache: CacheView;
  /** Gives a build up; false when none of that name are under way. */
  cancel(ref: string): boolean;
  /** Takes a build of another door, which is over, into the history. */
  remember(job: BuildJob): void;
  /** Ends builds and sessions; resolves when what is remembered of them is on the disk. */
  close(): Promise<void>;
}

/** The services of one engine. */
export function createControl(parts: Omit<ControlContext, 'jobs'>, historyDirectory: string): BuildControl {
  const jobs = new BuildJobs(new BuildHistory(historyDirectory, parts.log));
  const context: ControlContext = { ...parts, jobs };
  const methods: Methods = new Map<string, Method>([
    ...workerMethods(context),
    ...cacheMethods(context),
    ...solveMethods(context),
    ...gatewayMethods(context),
    ...historyMethods(context),
    ...contentMethods(context),
    sessionMethod(context),
  ]);
  return {
    cache: context.cache,
    serve: (connection) => serveGrpc(connection, methods, context.log),
    checkSession: (info) => context.sessions.check(info),
    async openSession(connection, info) {
      try {
        await context.sessions.open(connection, info);
      } catch (error) {
        context.log.debug('a session was refused', { error: messageOf(error) });
        connection.destroy();
      }
    },
    cancel(ref) {
      const job = context.jobs.active().find((active) => active.ref === ref);
      job?.cancel();
      return job !== undefined;
    },
    remember: (job) => jobs.end(job),
    async close() {
      for (const job of context.jobs.active()) job.cancel();
      context.sessions.close();
      await jobs.history.settled();
    },
  };
}
