import { EngineError, messageOf } from '../../base/errors.ts';
import { asGrpcError, GrpcError, statusCodes } from '../grpc/status.ts';
import { rpcStatus } from '../wire/control.ts';
import { encode } from '../wire/encode.ts';
import { type BuildJob, stepDigest } from './job.ts';

/** A place in a file that is built from. */
export interface SourcePlace {
  readonly filename: string;
  readonly data: Uint8Array;
  /** Lines from 1 on. */
  readonly ranges: readonly { readonly start: number; readonly end: number }[];
}

/** A failure whose place in the Dockerfile is known: clients show the lines. */
export class SourceError extends EngineError {
  readonly place: SourcePlace;
  /** The name of the step that failed. */
  readonly step: string | undefined;

  constructor(cause: unknown, place: SourcePlace, step?: string) {
    super(cause instanceof EngineError ? cause.code : 'internal', messageOf(cause), { cause });
    this.place = place;
    this.step = step;
  }
}

/** Typed errors travel as JSON inside google.protobuf.Any; the type's name ends so. */
const typed = (name: string, value: unknown) => ({
  typeUrl: `github.com/moby/buildkit/errdefs.${name}+json`,
  value: Buffer.from(JSON.stringify(value)),
});

/** These say something to programs; what is wrong with a build is its text alone, as clients print other codes before it. */
const toldCodes: ReadonlySet<number> = new Set([
  statusCodes.cancelled,
  statusCodes.deadline,
  statusCodes.unimplemented,
]);

/** A failure as the client is told of it, with the place where it happened. */
export function describeFailure(error: unknown, job: BuildJob): GrpcError {
  const { status: code, message, details: given } = asGrpcError(error);
  const told = new GrpcError(toldCodes.has(code) ? code : statusCodes.unknown, message, given);
  if (!(error instanceof SourceError)) return told;
  const { filename, data, ranges } = error.place;
  const info = { filename, data: Buffer.from(data).toString('base64'), language: 'Dockerfile' };
  const lines = ranges.map(({ start, end }) => ({ start: { line: start }, end: { line: end } }));
  const details = [
    typed('Source', { info, ranges: lines }),
    ...(error.step === undefined ? [] : [typed('Vertex', { digest: stepDigest(job.ref, error.step) })]),
  ];
  return new GrpcError(
    told.status,
    told.message,
    encode(rpcStatus, { code: told.status, message: told.message, details }),
  );
}
