import { codeOf, EngineError } from '../../base/errors.ts';
import type { Digest } from '../../base/ids.ts';
import type { ByteStream } from '../../base/stream.ts';
import type { Descriptor } from '../../spec/oci/image.ts';
import type { Reference } from '../../spec/reference/reference.ts';
import { isTemporary, pauseOrThrow, type Retry, StatusError } from './_retry.ts';
import type { RegistrySession } from './_session.ts';
import { pullError, type RegistryProblem, readProblem } from './errors.ts';
import type { TransportResponse } from './transport.ts';

export interface BlobOptions {
  /** Bytes that are there already. */
  readonly from?: number;
  readonly signal?: AbortSignal;
  /** Told when a broken transfer waits for so many seconds until the next attempt. */
  readonly onRetry?: (seconds: number) => void;
}

/** An attempt that brought fewer bytes than this counts as one that failed: nobody is to keep the engine busy for ever. */
const leastProgress = 16 * 1024;

/** See `RemoteRepository.blob`. */
export async function* fetchBlob(
  session: RegistrySession,
  reference: Reference,
  descriptor: Descriptor,
  retry: Retry,
  { from = 0, signal, onRetry }: BlobOptions,
): ByteStream {
  const { size, digest } = descriptor;
  let at = from;
  let failures = 0;
  for (let isFirst = true; at < size || isFirst; isFirst = false) {
    if (isFirst && at === size && size > 0) return;
    const before = at;
    try {
      for await (const chunk of openBlob(session, reference, descriptor, at, signal)) {
        at += chunk.length;
        if (at > size) throw tooLong(descriptor);
        yield chunk;
      }
      if (at === size) return;
      throw new EngineError('unavailable', `${digest}: the registry sent ${at} of ${size} bytes`);
    } catch (error) {
      if (!mayHelp(error)) throw error;
      if (at - before >= leastProgress) failures = 0;
      await pauseOrThrow(error, retry, failures++, signal, onRetry);
    }
  }
}

const tooLong = ({ digest, size }: Descriptor): EngineError =>
  new EngineError('corrupt', `${digest}: the registry sent more than the ${size} bytes of its descriptor`);

/** One attempt; when the registry cannot go on in the middle, the bytes that are there already are dropped. */
async function* openBlob(
  session: RegistrySession,
  reference: Reference,
  descriptor: Descriptor,
  from: number,
  signal: AbortSignal | undefined,
): ByteStream {
  const { digest, size } = descriptor;
  // Compressed once more on the way, offsets would mean something else.
  const headers = { 'accept-encoding': 'identity' };
  if (from > 0) {
    const range = { ...headers, range: `bytes=${from}-` };
    const part = await session.get(`blobs/${digest}`, range, signal);
    if (part.status === 206 && isRest(part, from, size)) return yield* part.body;
    if (part.status === 200) return yield* without(part, from, descriptor);
    if (part.status !== 206 && part.status !== 416) throw await blobError(reference, digest, part);
    // Another part than the wanted one, or none at all: only the whole can be trusted.
    part.discard();
  }
  const whole = await session.get(`blobs/${digest}`, headers, signal);
  if (whole.status !== 200) throw await blobError(reference, digest, whole);
  yield* without(whole, from, descriptor);
}

/** The body after its first `skip` bytes. */
async function* without(response: TransportResponse, skip: number, descriptor: Descriptor): ByteStream {
  const { digest, size } = descriptor;
  const length = response.headers['content-length'];
  if (length !== undefined && Number(length) !== size) {
    response.discard();
    // No cut connection, which is tried again: the registry says that it has something else.
    throw Number(length) > size
      ? tooLong(descriptor)
      : new EngineError(
          'corrupt',
          `${digest}: the registry has ${Number(length)} bytes instead of the ${size} of its descriptor`,
        );
  }
  let left = skip;
  for await (const chunk of response.body) {
    if (chunk.length > left) yield left === 0 ? chunk : chunk.subarray(left);
    left = Math.max(0, left - chunk.length);
  }
}

/** Whether `Content-Range` is `bytes <from>-.../<size>`; the size may be `*`. */
function isRest({ headers }: TransportResponse, from: number, size: number): boolean {
  const header = headers['content-range'] ?? '';
  if (!header.startsWith('bytes ')) return false;
  const [range = '', total = ''] = header.slice(6).split('/', 2);
  return Number.parseInt(range, 10) === from && (total.trim() === '*' || Number(total) === size);
}

async function blobError(reference: Reference, digest: Digest, response: TransportResponse): Promise<EngineError> {
  const problem: RegistryProblem = await readProblem(response);
  const error =
    problem.status === 404
      ? new EngineError('not-found', `blob ${digest} not found in registry`)
      : pullError(reference, problem);
  return new StatusError(error, problem.status, response.headers['retry-after']);
}

/** In the middle of a pull the registry was there: also a refused connection is worth waiting for. */
const mayHelp = (error: unknown): boolean =>
  error instanceof StatusError ? isTemporary(error.status) : codeOf(error) === 'unavailable';
