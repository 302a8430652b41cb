import { EngineError } from '../../base/errors.ts';
import { lockAttributes } from '../lock/lock.ts';
import { answering, type Method, unary } from '../grpc/server.ts';
import { historyEvent, historyRequest, updateHistoryRequest } from '../wire/control.ts';
import type { Draft, Message } from '../wire/message.ts';
import { nothing } from '../wire/session.ts';
import { historyFilter } from './history-filter.ts';
import type { BuildJob } from './job.ts';
import type { ControlContext } from './service.ts';

const control = '/moby.buildkit.v1.Control';
const eventTypes = { started: 0, complete: 1 } as const;

/** The builds of this engine since its start: `docker buildx history`. */
export function historyMethods({ jobs }: ControlContext): [string, Method][] {
  return [
    [
      `${control}/ListenBuildHistory`,
      answering(historyRequest, historyEvent, async function* listen(request, call) {
        const fits = historyFilter(request.filter, Date.now());
        const isMeant = (job: BuildJob): boolean => isWanted(job, request) && fits(job);
        call.begin({ 'buildkit-current-timestamp': new Date().toISOString() });
        const now = [...(request.activeOnly ? [] : jobs.past()), ...jobs.active()].filter(isMeant);
        const queue = request.limit > 0 ? now.slice(-request.limit) : now;
        let wake = (): void => undefined;
        using _watch = jobs.watch((job) => {
          queue.push(job);
          wake();
        });
        const onAbort = (): void => wake();
        call.signal.addEventListener('abort', onAbort);
        while (!call.signal.aborted) {
          const job = queue.shift();
          if (job !== undefined) {
            if (isMeant(job)) yield eventOf(job);
          } else if (request.earlyExit) return;
          else {
            const { promise, resolve } = Promise.withResolvers<void>();
            wake = resolve;
            await promise;
          }
        }
      }),
    ],
    [
      `${control}/UpdateBuildHistory`,
      unary(updateHistoryRequest, nothing, async (request) => {
        // Everything is final here.
        if (request.finalize) return {};
        const isThere = request.delete ? jobs.forget(request.ref) : jobs.pin(request.ref, request.pinned);
        if (!isThere) throw new EngineError('not-found', `failed to get build ref ${request.ref}: not found`);
        return {};
      }),
    ],
  ];
}

const isWanted = (job: BuildJob, { ref, activeOnly }: Message<typeof historyRequest>): boolean =>
  !job.request.internal && (ref === '' || ref === job.ref) && !(activeOnly && job.completedAt !== undefined);

/** The text of a lock is long, and its file has it. */
const withoutLock = (attributes: ReadonlyMap<string, string>): ReadonlyMap<string, string> =>
  new Map([...attributes].filter(([name]) => name !== lockAttributes.text));

const eventOf = (job: BuildJob): Draft<typeof historyEvent> => {
  const { record, request } = job;
  return {
    type: job.completedAt !== undefined ? eventTypes.complete : eventTypes.started,
    record: {
      ref: job.ref,
      frontend: record.frontend || request.frontend,
      frontendAttrs: withoutLock(record.attributes.size > 0 ? record.attributes : request.frontendAttrs),
      exporters: request.exporters,
      error: job.error,
      createdAt: job.createdAt,
      completedAt: job.completedAt,
      exporterResponse: job.response,
      result: {
        attestations: record.attestations,
        results: [...record.results].map(([key, value]) => ({ key: Number(key), value })),
      },
      pinned: record.pinned,
      numCachedSteps: job.counts.cached,
      numTotalSteps: job.counts.total,
      numCompletedSteps: job.counts.completed,
      externalError: record.failure,
      numWarnings: record.warnings,
    },
  };
};
