import { codeOf, type ErrorCode, messageOf } from '../base/errors.ts';

/** The HTTP status of every error code, as Docker's engine answers. */
const statusOf: Readonly<Record<ErrorCode, number>> = {
  invalid: 400,
  'not-found': 404,
  conflict: 409,
  'not-modified': 304,
  unauthorized: 401,
  forbidden: 403,
  'not-implemented': 501,
  unavailable: 503,
  'no-space': 500,
  cancelled: 500,
  corrupt: 500,
  internal: 500,
};

/** Status and message for anything that a handler threw. */
export function httpError(error: unknown): { status: number; message: string } {
  return { status: statusOf[codeOf(error)], message: messageOf(error) };
}
