import { EngineError } from '../../base/errors.ts';
import { type Digest, tryDigest } from '../../base/ids.ts';
import type { Reference } from '../../spec/reference/reference.ts';
import { StatusError } from './_retry.ts';
import { pushError, readProblem } from './errors.ts';
import type { TransportResponse } from './transport.ts';

/** What a refused part of a push ends with. */
export async function pushFailure(response: TransportResponse, reference: Reference): Promise<StatusError> {
  const problem = await readProblem(response);
  return new StatusError(pushError(reference, problem), problem.status, response.headers['retry-after']);
}

/** A registry that says that it stored something else did not store what was pushed. @throws corrupt */
export function checkStored(response: TransportResponse, digest: Digest): void {
  const said = response.headers['docker-content-digest'];
  if (typeof said !== 'string' || tryDigest(said) === undefined || said === digest) return;
  throw new EngineError('corrupt', `the registry stored ${said} instead of ${digest}`);
}
