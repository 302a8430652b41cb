import { EngineError } from '../../base/errors.ts';
import { answering, type Method, unary } from '../grpc/server.ts';
import { historyEvent, historyRequest, updateHistoryRequest } from '../wire/control.ts';
import type { Draft, Message } from '../wire/message.ts';
import { nothing } from '../wire/session.ts';
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
        if (request.filter.length > 0) {
          throw new EngineError(
            'not-implemented',
            'filters of the build history are not implemented by this engine yet',
          );
        }
        call.begin();
        const queue: BuildJob[] = [...(request.activeOnly ? [] : jobs.past()), ...jobs.active()];
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
            if (isWanted(job, request)) yield eventOf(job);
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
        if (request.pinned)
          throw new EngineError('not-implemented', 'pinned builds are not implemented by this engine yet');
        if (request.delete && !jobs.forget(request.ref)) {
          throw new EngineError('not-found', `failed to get build ref ${request.ref}: not found`);
        }
        return {};
      }),
    ],
  ];
}

const isWanted = (job: BuildJob, { ref, activeOnly }: Message<typeof historyRequest>): boolean =>
  !job.request.internal && (ref === '' || ref === job.ref) && !(activeOnly && job.completedAt !== undefined);

const eventOf = (job: BuildJob): Draft<typeof historyEvent> => ({
  type: job.completedAt !== undefined ? eventTypes.complete : eventTypes.started,
  record: {
    ref: job.ref,
    frontend: job.request.frontend,
    frontendAttrs: job.request.frontendAttrs,
    exporters: job.request.exporters,
    error: job.error,
    createdAt: job.createdAt,
    completedAt: job.completedAt,
    exporterResponse: job.response,
    numCachedSteps: job.counts.cached,
    numTotalSteps: job.counts.total,
    numCompletedSteps: job.counts.completed,
  },
});
