import { EngineError } from '../../base/errors.ts';
import type { ByteStream } from '../../base/stream.ts';
import type { Descriptor } from '../../spec/oci/image.ts';
import type { Reference } from '../../spec/reference/reference.ts';
import { mayHelp, pauseOrThrow, type Retry, StatusError } from './_retry.ts';
import type { RegistrySession } from './_session.ts';
import { checkStored, pushFailure } from './_stored.ts';
import type { TransportResponse } from './transport.ts';

/** What is known about an upload from before, and who wants to know about this one. */
export interface UploadNote {
  /** Where an upload was that was broken off; it may be over. */
  readonly location: string | undefined;
  /**
   * Resolves when it is kept where the upload is now: after the death of this process the next one can ask there.
   * Undefined: the upload is over.
   */
  keep(location: string | undefined): Promise<void>;
}

export interface PushBlobOptions {
  /** Opens the blob at an offset; called again for each attempt. */
  readonly open: (from: number) => ByteStream;
  /** Path of another repository of the same registry that may have the blob. */
  readonly mountFrom?: string | undefined;
  /** For blobs that are too large to be sent twice. */
  readonly note?: UploadNote | undefined;
  /** Is told how many bytes have been handed to the connection. */
  readonly sent?: (bytes: number) => void;
  readonly signal: AbortSignal;
}

export type PushedBlob = 'exists' | 'mounted' | 'pushed';

/** An attempt that the registry took so many more bytes of was not in vain. */
const leastProgress = 16 << 10;
/** Bytes of a chunk, where the registry says no more than the least that it takes. */
const usualChunk = 16 << 20;

/**
 * One blob on its way, over all attempts (OCI distribution-spec, "pushing blobs"). It goes in one piece, unless the
 * registry names a least size of chunks. What broke goes on where the registry says that it has arrived, else anew.
 */
export class BlobUpload {
  readonly #session: RegistrySession;
  readonly #reference: Reference;
  readonly #blob: Descriptor;
  readonly #options: PushBlobOptions;
  /** Where the upload under way is asked about. */
  #location: URL | undefined;
  #chunkSize = Number.POSITIVE_INFINITY;
  #isFirst = true;
  /** Bytes that the registry had when it was asked last. */
  #arrivedBytes = 0;

  constructor(session: RegistrySession, reference: Reference, blob: Descriptor, options: PushBlobOptions) {
    this.#session = session;
    this.#reference = reference;
    this.#blob = blob;
    this.#options = options;
    this.#location = URL.parse(options.note?.location ?? '') ?? undefined;
  }

  async run(retry: Retry): Promise<PushedBlob> {
    for (let failures = 0; ; failures++) {
      const before = this.#arrivedBytes;
      try {
        const outcome = await this.#attempt();
        await this.#options.note?.keep(undefined);
        return outcome;
      } catch (error) {
        if (!mayHelp(error)) throw error;
        if (this.#arrivedBytes - before >= leastProgress) failures = 0;
        await pauseOrThrow(error, retry, failures, this.#options.signal);
      }
    }
  }

  async #attempt(): Promise<PushedBlob> {
    const isFirst = this.#isFirst;
    this.#isFirst = false;
    if (isFirst && (await this.#exists())) return 'exists';
    if (await this.#goOn()) return 'pushed';
    if (!isFirst && (await this.#exists())) return 'exists';
    const begun = await this.#begin();
    if (begun === 'mounted') return 'mounted';
    if (Number.isFinite(this.#chunkSize)) await this.#sendChunks(begun, 0);
    else await this.#finish(begun, 0);
    return 'pushed';
  }

  async #exists(): Promise<boolean> {
    const { signal } = this.#options;
    const known = await this.#session.send({ method: 'HEAD', target: `blobs/${this.#blob.digest}`, signal });
    known.discard();
    if (known.status === 200) return true;
    if (known.status !== 404) throw await pushFailure(known, this.#reference);
    return false;
  }

  /** Finishes the upload that is known of; false when it must be begun anew. */
  async #goOn(): Promise<boolean> {
    const location = this.#location;
    if (location === undefined) return false;
    const from = await this.#arrived(location);
    if (from === 0 || this.#location === undefined) {
      await this.#moveTo(undefined);
      return false;
    }
    try {
      await this.#sendChunks(this.#location, from);
      return true;
    } catch (error) {
      if (!(error instanceof StatusError) || !endsUpload(error.status)) throw error;
      await this.#moveTo(undefined);
      return false;
    }
  }

  /** A mount that the registry does not make begins an upload as well. */
  async #begin(): Promise<'mounted' | URL> {
    const { mountFrom, signal } = this.#options;
    const query =
      mountFrom === undefined
        ? ''
        : `?${new URLSearchParams({ mount: this.#blob.digest, from: mountFrom }).toString()}`;
    const response = await this.#session.send({
      method: 'POST',
      target: `blobs/uploads/${query}`,
      headers: { 'content-length': '0' },
      ...(mountFrom === undefined ? {} : { from: mountFrom }),
      signal,
    });
    if (response.status === 201 && mountFrom !== undefined) {
      response.discard();
      checkStored(response, this.#blob.digest);
      return 'mounted';
    }
    if (response.status !== 202) throw await pushFailure(response, this.#reference);
    response.discard();
    const least = response.headers['oci-chunk-min-length'];
    if (typeof least === 'string' && /^[0-9]{1,15}$/.test(least)) this.#chunkSize = Math.max(Number(least), usualChunk);
    const location = locationOf(response);
    if (location === undefined) {
      throw new EngineError('unavailable', `the registry ${response.url.host} began an upload without saying where`);
    }
    await this.#moveTo(location);
    return location;
  }

  async #moveTo(location: URL | undefined): Promise<void> {
    if (this.#location?.href === location?.href) return;
    this.#location = location;
    await this.#options.note?.keep(location?.href);
  }

  /** How much of the upload the registry has; 0 when it must be begun anew. */
  async #arrived(location: URL): Promise<number> {
    const response = await this.#session.send({ target: location, signal: this.#options.signal });
    response.discard();
    if (response.status !== 204) return 0;
    const count = arrivedBytes(response);
    // One byte and none at all look the same.
    if (count === undefined || count > this.#blob.size || count <= 1) return 0;
    await this.#moveTo(locationOf(response) ?? location);
    this.#arrivedBytes = count;
    return count;
  }

  /** Sends what is missing by PATCH, and ends the upload. */
  async #sendChunks(first: URL, from: number): Promise<void> {
    const { size } = this.#blob;
    let location = first;
    for (let at = from; at < size; ) {
      const until = Math.min(size, at + this.#chunkSize);
      const headers = { 'content-range': `${at}-${until - 1}` };
      const response = await this.#send('PATCH', location, headers, at, until);
      if (response.status !== 202) throw await pushFailure(response, this.#reference);
      response.discard();
      location = locationOf(response) ?? location;
      await this.#moveTo(location);
      const arrived = arrivedBytes(response) ?? until;
      if (arrived > until || (arrived < until && arrived - at < leastProgress)) {
        throw new EngineError(
          'unavailable',
          `the registry ${location.host} took bytes up to ${arrived} of ${at} to ${until}`,
        );
      }
      at = arrived;
      this.#arrivedBytes = at;
    }
    await this.#finish(location, size);
  }

  /** Sends what comes from `from` on, and ends the upload. */
  async #finish(location: URL, from: number): Promise<void> {
    const { digest, size } = this.#blob;
    const target = new URL(location);
    target.searchParams.set('digest', digest);
    const response = await this.#send('PUT', target, {}, from, size);
    if (response.status !== 201 && response.status !== 204) throw await pushFailure(response, this.#reference);
    response.discard();
    checkStored(response, digest);
  }

  #send(
    method: 'PUT' | 'PATCH',
    target: URL,
    headers: Readonly<Record<string, string>>,
    from: number,
    until: number,
  ): Promise<TransportResponse> {
    const { open, sent = () => undefined, signal } = this.#options;
    const body =
      from === until
        ? { length: 0, open: () => [] }
        : { length: until - from, open: () => counted(open(from), from, until, sent) };
    const type = { 'content-type': 'application/octet-stream' };
    return this.#session.send({ method, target, headers: { ...type, ...headers }, body, signal });
  }
}

/** Statuses after which the same upload leads nowhere, while a new one may: it is over, or cannot go on in the middle. */
const endsUpload = (status: number): boolean =>
  (status >= 400 && status < 500 && ![401, 403, 408, 429].includes(status)) || status === 501;

/** The URL in `Location`, which may be relative. */
function locationOf({ headers: { location }, url }: TransportResponse): URL | undefined {
  return location === undefined ? undefined : (URL.parse(location, url) ?? undefined);
}

/** What `Range: 0-LAST` says. */
function arrivedBytes({ headers: { range } }: TransportResponse): number | undefined {
  const last = /^(?:bytes=)?0-([0-9]{1,15})$/.exec(range ?? '')?.[1];
  return last === undefined ? undefined : Number(last) + 1;
}

/** The bytes from `from` up to `until` of a stream that begins at `from`, and tells how far it is. */
async function* counted(source: ByteStream, from: number, until: number, sent: (bytes: number) => void): ByteStream {
  let at = from;
  for await (const chunk of source) {
    const part = chunk.length > until - at ? chunk.subarray(0, until - at) : chunk;
    if (part.length > 0) yield part;
    at += part.length;
    sent(at);
    if (at === until) return;
  }
}
