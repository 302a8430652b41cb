import type { Descriptor } from '../../spec/oci/image.ts';
import type { GrpcError } from '../grpc/status.ts';
import { describeFailure } from './failure.ts';
import type { BuildJob } from './job.ts';

/** A google.rpc.Status. */
const failureType = 'application/vnd.googeapis.google.rpc.status+proto';

/** Keeps for the history why a build failed; gives the failure as clients are told of it. */
export function noteFailure(job: BuildJob, error: unknown): GrpcError {
  const failure = describeFailure(error, job);
  job.error = { code: failure.status, message: failure.message };
  if (failure.details !== undefined) job.record.failure = job.record.keep(failureType, failure.details);
  return failure;
}

/** Keeps for the history what an exporter has told of its image; `index` is its place among those of the build. */
export function noteExported(job: BuildJob, index: number, exported: ReadonlyMap<string, string>): void {
  const text = exported.get('containerimage.descriptor');
  if (text === undefined) return;
  const { mediaType, digest, size } = JSON.parse(Buffer.from(text, 'base64').toString()) as Descriptor;
  job.record.results.set(String(index), { mediaType, digest, size });
}
