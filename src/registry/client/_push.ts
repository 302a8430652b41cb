import { EngineError } from '../../base/errors.ts';
import { type Digest, tryDigest } from '../../base/ids.ts';
import type { ByteStream } from '../../base/stream.ts';
import type { Descriptor } from '../../spec/oci/image.ts';
import { acceptedManifestTypes } from '../../spec/oci/manifest.ts';
import type { Reference } from '../../spec/reference/reference.ts';
import { persistently, type Retry, StatusError } from './_retry.ts';
import type { RegistrySession } from './_session.ts';
import { pushError, readProblem } from './errors.ts';
import type { TransportResponse } from './transport.ts';

export interface PushBlobOptions {
  /** Opens the blob at an offset; called again for each attempt. */
  readonly open: (from: number) => ByteStream;
  /** Path of another repository of the same registry that may have the blob. */
  readonly mountFrom?: string | undefined;
  /** Is told how many bytes have been handed to the connection. */
  readonly sent?: (bytes: number) => void;
  readonly signal: AbortSignal;
}

export type PushedBlob = 'exists' | 'mounted' | 'pushed';

/** One repository of a registry, for writing (OCI distribution-spec, "push"). */
export interface PushTarget {
  /**
   * Brings a blob there unless the registry has it. What breaks is tried again, and goes on where the registry says
   * that it has arrived. @throws EngineError in Docker's words
   */
  blob(descriptor: Descriptor, options: PushBlobOptions): Promise<PushedBlob>;
  /**
   * Stores a manifest or index under `tag`, else under its digest alone. One that the registry has by digest already
   * is not sent again without a tag. @throws EngineError
   */
  manifest(
    descriptor: Descriptor,
    options: { readonly bytes: Uint8Array; readonly tag?: string; readonly signal: AbortSignal },
  ): Promise<void>;
}

/** `session` must have been opened for pushing. */
export const pushTargetOf = (session: RegistrySession, reference: Reference, retry: Retry): PushTarget => ({
  blob: (descriptor, options) => new BlobUpload(session, reference, descriptor, options).run(retry),
  async manifest(descriptor, { bytes, tag, signal }) {
    await persistently(retry, signal, () => putManifest(session, reference, descriptor, { bytes, tag, signal }));
  },
});

async function failure(response: TransportResponse, reference: Reference): Promise<StatusError> {
  const problem = await readProblem(response);
  return new StatusError(pushError(reference, problem), problem.status, response.headers['retry-after']);
}

async function putManifest(
  session: RegistrySession,
  reference: Reference,
  { digest, mediaType }: Descriptor,
  { bytes, tag, signal }: { bytes: Uint8Array; tag: string | undefined; signal: AbortSignal },
): Promise<void> {
  const target = `manifests/${tag ?? digest}`;
  if (tag === undefined) {
    const headers = { accept: acceptedManifestTypes.join(', ') };
    const known = await session.send({ method: 'HEAD', target, headers, signal });
    known.discard();
    if (known.status === 200) return;
  }
  const body = { length: bytes.length, open: () => [bytes] };
  const response = await session.send({
    method: 'PUT',
    target,
    headers: { 'content-type': mediaType },
    body,
    signal,
  });
  if (response.status !== 201 && response.status !== 200) throw await failure(response, reference);
  response.discard();
  checkDigest(response, digest);
}

/** A registry that says that it stored something else did not store what was pushed. */
function checkDigest(response: TransportResponse, digest: Digest): void {
  const said = response.headers['docker-content-digest'];
  if (typeof said !== 'string' || tryDigest(said) === undefined || said === digest) return;
  throw new EngineError('corrupt', `the registry stored ${said} instead of ${digest}`);
}

/** One blob on its way, over all attempts. */
class BlobUpload {
  readonly #session: RegistrySession;
  readonly #reference: Reference;
  readonly #blob: Descriptor;
  readonly #options: PushBlobOptions;
  /** Where the upload under way is asked about. */
  #location: URL | undefined;

  constructor(session: RegistrySession, reference: Reference, blob: Descriptor, options: PushBlobOptions) {
    this.#session = session;
    this.#reference = reference;
    this.#blob = blob;
    this.#options = options;
  }

  run(retry: Retry): Promise<PushedBlob> {
    return persistently(retry, this.#options.signal, () => this.#attempt());
  }

  async #attempt(): Promise<PushedBlob> {
    const { signal } = this.#options;
    const resumed = this.#location === undefined ? 0 : await this.#arrived(this.#location);
    if (resumed > 0 && this.#location !== undefined) return this.#put(this.#location, resumed);
    const known = await this.#session.send({ method: 'HEAD', target: `blobs/${this.#blob.digest}`, signal });
    known.discard();
    if (known.status === 200) return 'exists';
    if (known.status !== 404) throw await failure(known, this.#reference);
    const begun = await this.#begin();
    return begun === 'mounted' ? begun : this.#put(begun, 0);
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
      checkDigest(response, this.#blob.digest);
      return 'mounted';
    }
    if (response.status !== 202) throw await failure(response, this.#reference);
    response.discard();
    this.#location = this.#locationOf(response);
    return this.#location;
  }

  #locationOf(response: TransportResponse): URL {
    const location = URL.parse(response.headers.location ?? '', response.url);
    if (location !== null && response.headers.location !== undefined) return location;
    throw new EngineError('unavailable', `the registry ${response.url.host} began an upload without saying where`);
  }

  /** How much of the upload the registry has; 0 when it must be begun anew. */
  async #arrived(location: URL): Promise<number> {
    this.#location = undefined;
    const response = await this.#session.send({ target: location, signal: this.#options.signal });
    response.discard();
    if (response.status !== 204) return 0;
    const last = /^(?:bytes=)?0-([0-9]{1,15})$/.exec(response.headers.range ?? '')?.[1];
    const count = last === undefined ? 0 : Number(last) + 1;
    if (count >= this.#blob.size || count <= 1) return 0;
    this.#location = response.headers.location === undefined ? location : this.#locationOf(response);
    return count;
  }

  async #put(location: URL, from: number): Promise<PushedBlob> {
    const { open, sent = () => undefined, signal } = this.#options;
    const { digest, size } = this.#blob;
    const target = new URL(location);
    target.searchParams.set('digest', digest);
    const range = from === 0 ? {} : { 'content-range': `${from}-${size - 1}` };
    const response = await this.#session.send({
      method: 'PUT',
      target,
      headers: { 'content-type': 'application/octet-stream', ...range },
      body: { length: size - from, open: () => counted(open(from), from, sent) },
      signal,
    });
    if (response.status !== 201 && response.status !== 204) throw await failure(response, this.#reference);
    response.discard();
    checkDigest(response, digest);
    return 'pushed';
  }
}

async function* counted(source: ByteStream, from: number, sent: (bytes: number) => void): ByteStream {
  let at = from;
  for await (const chunk of source) {
    yield chunk;
    at += chunk.length;
    sent(at);
  }
}
