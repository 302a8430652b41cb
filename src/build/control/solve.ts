import { codeOf, EngineError, messageOf } from '../../base/errors.ts';
import { answering, type Method, type ServerCall, unary } from '../grpc/server.ts';
import { asGrpcError, GrpcError, statusCodes } from '../grpc/status.ts';
import { type gatewayResult, solveRequest, solveResponse, statusRequest, statusResponse } from '../wire/control.ts';
import type { Message } from '../wire/message.ts';
import type { BuildJob } from './job.ts';
import { noteExported, noteFailure } from './outcome.ts';
import type { ExportRequest, ResultRefs } from './ports.ts';
import type { ControlContext } from './service.ts';

const control = '/moby.buildkit.v1.Control';

/** One build from its begin to its end, and what happens in it. */
export function solveMethods(context: ControlContext): [string, Method][] {
  return [
    [`${control}/Solve`, unary(solveRequest, solveResponse, (request, call) => solve(context, request, call))],
    [
      `${control}/Status`,
      answering(statusRequest, statusResponse, async function* status({ ref }, call) {
        const events = await context.jobs.events(ref, call.signal);
        call.begin({ 'buildkit-current-timestamp': new Date().toISOString() });
        yield* events;
      }),
    ],
  ];
}

async function solve(
  context: ControlContext,
  request: Message<typeof solveRequest>,
  call: ServerCall,
): Promise<{ exporterResponse: ReadonlyMap<string, string> }> {
  const job = context.jobs.begin(request);
  const onAbort = (): void => job.cancel();
  call.signal.addEventListener('abort', onAbort, { once: true });
  try {
    job.response = await run(context, job);
    // The client need not wait until what nobody uses is gone.
    void release(context, job);
    return { exporterResponse: job.response };
  } catch (error) {
    const failure = noteFailure(job, error);
    if (codeOf(error) === 'internal' && !(error instanceof GrpcError)) {
      context.log.warn('a build failed', { error: messageOf(error) });
    }
    // Nothing of it is left when the client is told.
    await release(context, job);
    throw failure;
  } finally {
    call.signal.removeEventListener('abort', onAbort);
    context.jobs.end(job);
  }
}

const release = ({ solver, log }: ControlContext, job: BuildJob): Promise<void> =>
  solver
    .release(job)
    .catch((error: unknown) => log.warn('a build could not be cleaned up', { error: messageOf(error) }));

async function run(context: ControlContext, job: BuildJob): Promise<ReadonlyMap<string, string>> {
  const { request } = job;
  let refs: ResultRefs | undefined;
  if (request.frontend !== '') {
    const solved = await context.solver.solve(job, {
      frontend: request.frontend,
      options: request.frontendAttrs,
      inputs: request.frontendInputs,
      definition: undefined,
    });
    refs = solved.refs;
  } else if ((request.definition?.def.length ?? 0) > 0) {
    throw new EngineError('not-implemented', "graphs of a client's own (LLB) are not implemented by this engine yet");
  } else {
    // The client is the frontend: it asks the gateway, and returns what is to be exported.
    const result = await job.result();
    refs = refsOf(result);
  }
  const response = new Map<string, string>(context.solver.told(job, refs));
  for (const wanted of exportersOf(request)) {
    const exported = await context.solver.export(job, refs, wanted);
    for (const [key, value] of exported) response.set(key, value);
    noteExported(job, wanted.index, exported);
  }
  for (const predicate of context.solver.describe(job, refs)) job.record.attest(predicate);
  for (const { type, attrs } of request.cache?.exports ?? []) {
    // An inline cache is in the images.
    if (type === 'inline') continue;
    const exported = await context.solver.exportCache(job, refs, { type, attributes: attrs });
    for (const [key, value] of exported) response.set(key, value);
  }
  return response;
}

/** What a client gives back of the results that it was given. */
function refsOf(result: Message<typeof gatewayResult> | undefined): ResultRefs | undefined {
  const list = result?.refs?.refs ?? new Map<string, { readonly id: string }>();
  if (list.size === 0) return result?.ref?.id ? { only: result.ref.id, list: undefined } : undefined;
  return { only: undefined, list: new Map([...list].map(([platform, { id }]) => [platform, id])) };
}

/** Older clients send one exporter in fields of its own, newer ones both. */
function exportersOf(request: Message<typeof solveRequest>): readonly ExportRequest[] {
  const listed = request.exporters.map(({ type, attrs }, index) => ({ type, attributes: attrs, index }));
  if (listed.length > 0 || request.exporter === '') return listed;
  return [{ type: request.exporter, attributes: request.exporterAttrs, index: 0 }];
}

/** What a client's own failure means to its build. */
export function returnedError(error: { readonly code: number; readonly message: string }, details: Uint8Array): Error {
  if (error.code === statusCodes.cancelled) return new EngineError('cancelled', error.message || 'context canceled');
  return new GrpcError(
    error.code || statusCodes.unknown,
    asGrpcError(new Error(error.message || 'failed')).message,
    details,
  );
}
