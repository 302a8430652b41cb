import { EngineError } from '../../base/errors.ts';
import { readAll } from '../../base/stream.ts';
import { familiarName, familiarReference, type Reference } from '../../spec/reference/reference.ts';
import type { TransportResponse } from './transport.ts';

/** An error of a registry (OCI distribution-spec, "error codes"): `MANIFEST_UNKNOWN` and its message. */
export interface RegistryProblem {
  readonly status: number;
  readonly statusText: string;
  readonly code: string;
  readonly message: string;
}

const largestErrorBody = 64 * 1024;

/** Reads the body of a failed answer; whatever it is, there is a problem to report. */
export async function readProblem(response: TransportResponse): Promise<RegistryProblem> {
  const problem = { status: response.status, statusText: response.statusText, code: '', message: '' };
  try {
    const text = new TextDecoder().decode(await readAll(response.body, largestErrorBody, 'error body'));
    const json = JSON.parse(text) as { errors?: unknown; details?: unknown; message?: unknown };
    const first: unknown = Array.isArray(json.errors) ? json.errors[0] : json;
    const { code, message, details } = (first ?? {}) as { code?: unknown; message?: unknown; details?: unknown };
    if (typeof code === 'string') problem.code = code.slice(0, 100);
    const said = typeof message === 'string' ? message : details;
    if (typeof said === 'string') problem.message = printable(said);
  } catch {
    response.discard();
  }
  return problem;
}

/** A registry's words go to terminals: no control characters, not endless. */
function printable(text: string): string {
  let clean = '';
  for (const character of text.slice(0, 500)) {
    const code = character.codePointAt(0) ?? 0;
    clean += code < 32 || (code >= 127 && code < 160) ? ' ' : character;
  }
  return clean;
}

/** `MANIFEST_UNKNOWN`, `manifest unknown` -> `manifest unknown: manifest unknown`. */
function causeOf({ code, message, status, statusText }: RegistryProblem): string {
  const words = code.toLowerCase().replaceAll('_', ' ');
  if (words === '') return message === '' ? `received unexpected HTTP status: ${status} ${statusText}`.trim() : message;
  return `${words}: ${message === '' ? words : message}`;
}

const isDenied = ({ status, code }: RegistryProblem): boolean =>
  status === 401 || status === 403 || code === 'DENIED' || code === 'UNAUTHORIZED';

/** Access that a registry or its token server does not give, in Docker's words. */
export function accessDenied(access: 'pull' | 'push', reference: Reference, why: string, cause?: unknown): EngineError {
  const name = `${access} access denied for ${familiarName(reference)}, repository does not exist or may require`;
  return access === 'pull'
    ? new EngineError('not-found', `${name} 'docker login': ${why}`, { cause })
    : new EngineError('unauthorized', `${name} authorization: ${why}`, { cause });
}

/** The error that a failed pull of `reference` ends with, in Docker's words. */
export function pullError(reference: Reference, problem: RegistryProblem): EngineError {
  const cause = causeOf(problem);
  const name = familiarName(reference);
  if (isDenied(problem)) {
    const denied = problem.code === '' ? 'denied: requested access to the resource is denied' : cause;
    return accessDenied('pull', reference, denied);
  }
  if (problem.code === 'NAME_UNKNOWN') return new EngineError('not-found', `repository ${name} not found: ${cause}`);
  if (problem.status === 404) {
    const unknown = problem.code === '' ? 'manifest unknown' : cause;
    return new EngineError('not-found', `manifest for ${familiarReference(reference)} not found: ${unknown}`);
  }
  if (problem.status === 429) return new EngineError('unavailable', `toomanyrequests: ${problem.message || cause}`);
  return new EngineError('unavailable', cause);
}

/** The error that a failed push to `reference` ends with, in Docker's words. */
export function pushError(reference: Reference, problem: RegistryProblem): EngineError {
  const cause = causeOf(problem);
  if (isDenied(problem)) {
    const bare =
      problem.status === 401
        ? 'unauthorized: authentication required'
        : 'denied: requested access to the resource is denied';
    const denied = problem.code === '' ? bare : cause;
    return accessDenied('push', reference, denied);
  }
  if (problem.status === 429) return new EngineError('unavailable', `toomanyrequests: ${problem.message || cause}`);
  if (problem.status === 404) return new EngineError('not-found', cause);
  return new EngineError(problem.status >= 500 ? 'unavailable' : 'invalid', cause);
}
