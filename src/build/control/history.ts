import { EngineError } from '../../base/errors.ts';
import { answering, type Method, unary } from '../grpc/server.ts';
import { historyEvent, historyRequest, updateHistoryRequest } from '../wire/control.ts';
import type { Message } from '../wire/message.ts';
import { nothing } from '../wire/session.ts';
import { historyFilter } from './history-filter.ts';
import { recordOf } from './history-record.ts';
import { type HistoryEvent, historyEvents } from './jobs.ts';
import type { ControlContext } from './service.ts';

const control = '/moby.buildkit.v1.Control';

/** The builds of this engine: `docker buildx history`. */
export function historyMethods({ jobs }: ControlContext): [string, Method][] {
  return [
    [
      `${control}/ListenBuildHistory`,
      answering(historyRequest, historyEvent, async function* listen(request, call) {
        const fits = historyFilter(request.filter, Date.now());
        const isMeant = (event: HistoryEvent): boolean => isWanted(event, request) && fits(event.record);
        call.begin({ 'buildkit-current-timestamp': new Date().toISOString() });
        const queue: HistoryEvent[] = [];
        let wake = (): void => undefined;
        using _watch = jobs.watch((event) => {
          queue.push(event);
          wake();
        });
        const past = request.activeOnly ? [] : await jobs.history.records();
        const active = jobs.active().filter((job) => !job.request.internal);
        const now = [
          ...past.map((record) => ({ type: historyEvents.complete, record })),
          ...active.map((job) => ({ type: historyEvents.started, record: recordOf(job) })),
        ].filter(isMeant);
        queue.splice(0, queue.length, ...(request.limit > 0 ? now.slice(-request.limit) : now));
        const onAbort = (): void => wake();
        call.signal.addEventListener('abort', onAbort);
        while (!call.signal.aborted) {
          const event = queue.shift();
          if (event !== undefined) {
            if (isMeant(event)) yield event;
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
        if (request.finalize) {
          // The trace of a build is there when its file is.
          await jobs.history.settled();
          return {};
        }
        const isThere = await (request.delete ? jobs.forget(request.ref) : jobs.pin(request.ref, request.pinned));
        if (!isThere) throw new EngineError('not-found', `failed to get build ref ${request.ref}: not found`);
        return {};
      }),
    ],
  ];
}

const isWanted = ({ record }: HistoryEvent, { ref, activeOnly }: Message<typeof historyRequest>): boolean =>
  (ref === '' || ref === record.ref) && !(activeOnly && record.completedAt !== undefined);
