import { GrpcError, statusCodes } from '../../build/grpc/status.ts';
import {
  gatewaySolveRequest,
  gatewaySolveResponse,
  returnRequest,
  solveRequest,
  solveResponse,
  statusRequest,
  statusResponse,
} from '../../build/wire/control.ts';
import { decode } from '../../build/wire/decode.ts';
import { encode } from '../../build/wire/encode.ts';
import type { Draft, Message } from '../../build/wire/message.ts';
import { nothing } from '../../build/wire/session.ts';
import type { Http2Connection } from '../../client/http2/connection.ts';
import type { StatusEvent } from './progress/events.ts';
import { beginCall, callOnce } from './session/grpc.ts';

const control = '/moby.buildkit.v1.Control';
const bridge = '/moby.buildkit.v1.frontend.LLBBridge';
/** Names the build that a call of its frontend is part of. */
const buildHeader = 'buildkit-controlapi-buildid';

export interface SolveOptions {
  readonly request: Draft<typeof solveRequest> & { readonly ref: string };
  readonly onEvent: (event: StatusEvent) => void;
  readonly signal: AbortSignal;
}

/** Builds; gives what the exporters tell. @throws GrpcError with the engine's words */
export async function solve(connection: Http2Connection, options: SolveOptions): Promise<ReadonlyMap<string, string>> {
  const { exporterResponse } = await withStatus(connection, options, () =>
    callOnce(connection, `${control}/Solve`, {
      request: solveRequest,
      response: solveResponse,
      draft: options.request,
      signal: options.signal,
    }),
  );
  return exporterResponse;
}

/**
 * Asks the engine's frontend something that makes no image (`requestid` among the attributes); gives its answer. The build
 * has this program as its frontend then: BuildKit gives such answers to nobody else.
 */
export async function ask(
  connection: Http2Connection,
  options: SolveOptions,
): Promise<ReadonlyMap<string, Uint8Array>> {
  const { request, signal } = options;
  const metadata = [[buildHeader, request.ref]] as const;
  const { frontend = '', frontendAttrs = new Map(), ...rest } = request;
  return withStatus(connection, options, async () => {
    const build = callOnce(connection, `${control}/Solve`, {
      request: solveRequest,
      response: solveResponse,
      draft: { ...rest, internal: true },
      signal,
    });
    build.catch(() => undefined);
    let answer: Message<typeof gatewaySolveResponse>;
    try {
      answer = await callOnce(connection, `${bridge}/Solve`, {
        request: gatewaySolveRequest,
        response: gatewaySolveResponse,
        draft: { frontend, frontendOpt: frontendAttrs, allowResultReturn: true, allowResultArrayRef: true },
        signal,
        metadata,
      });
    } catch (error) {
      const { status, message } =
        error instanceof GrpcError ? error : new GrpcError(statusCodes.unknown, String(error));
      await sendReturn(connection, { error: { code: status, message } }, signal, metadata);
      await build.catch(() => undefined);
      throw error;
    }
    await sendReturn(connection, { result: { metadata: answer.result?.metadata ?? new Map() } }, signal, metadata);
    await build;
    return answer.result?.metadata ?? new Map<string, Uint8Array>();
  });
}

const sendReturn = (
  connection: Http2Connection,
  draft: Draft<typeof returnRequest>,
  signal: AbortSignal,
  metadata: readonly (readonly [string, string])[],
) => callOnce(connection, `${bridge}/Return`, { request: returnRequest, response: nothing, draft, signal, metadata });

/** Tells what happens while `work` runs. */
async function withStatus<T>(
  connection: Http2Connection,
  { request, onEvent, signal }: SolveOptions,
  work: () => Promise<T>,
): Promise<T> {
  const status = beginCall(connection, `${control}/Status`);
  const told = (async () => {
    await status.send(encode(statusRequest, { ref: request.ref }));
    await status.end();
    for await (const message of status.messages) onEvent(decode(statusResponse, message));
  })();
  // How the build ended says more than how the telling ended.
  told.catch(() => undefined);
  try {
    const result = await work();
    await told.catch(() => undefined);
    return result;
  } catch (error) {
    if (signal.aborted) status.cancel();
    await Promise.race([told.catch(() => undefined), new Promise((done) => setTimeout(done, 3000).unref())]);
    throw error;
  }
}
