import { EngineError, invalid } from '../../base/errors.ts';
import type { Digest } from '../../base/ids.ts';
import type { ByteStream } from '../../base/stream.ts';
import { inPieces, readAll } from '../../base/stream.ts';
import type { BlobPlace } from '../../spec/contract/build.ts';
import type { Descriptor } from '../../spec/oci/image.ts';
import { largestDocument } from '../../spec/oci/json.ts';
import { drained } from '../grpc/client.ts';
import { asEngineError, GrpcError, statusCodes } from '../grpc/status.ts';
import { decode } from '../wire/decode.ts';
import { encode } from '../wire/encode.ts';
import { readContentRequest, readContentResponse, writeActions, writeContentRequest } from '../wire/session.ts';
import type { Session } from './session.ts';

const service = '/containerd.services.content.v1.Content';
const pieceBytes = 1 << 20;

/**
 * A store of blobs that the client has, by the name that both know it by (containerd's content service on the session):
 * folders with caches, and OCI layouts that are no archives. @throws EngineError `invalid` when the client has none
 */
export function clientStore(session: Session, name: string, newest: Digest | undefined): BlobPlace {
  if (!session.methods.has(`${service}/Read`)) throw invalid(`the client of this build has no folder for ${name}`);
  const metadata = { 'buildkit-attachable-store-id': name };
  const blob = (digest: Digest, signal: AbortSignal): ByteStream => read(session, metadata, digest, signal);
  return {
    async manifest(digest, signal) {
      const wanted = digest ?? newest;
      if (wanted === undefined) throw new EngineError('not-found', `${name}: nothing says which manifest is meant`);
      return readAll(blob(wanted, signal), largestDocument, 'manifest');
    },
    blob: ({ digest }, signal) => blob(digest, signal),
    put: (descriptor, open, signal) => write(session, metadata, descriptor, open, signal),
    putManifest: (descriptor, bytes, signal) => write(session, metadata, descriptor, () => [bytes], signal),
  };
}

type StoreName = Readonly<Record<string, string>>;

async function* read(session: Session, metadata: StoreName, digest: Digest, signal: AbortSignal): ByteStream {
  const call = session.client.call(`${service}/Read`, { metadata, signal });
  void call.send(encode(readContentRequest, { digest }));
  call.end();
  try {
    for await (const message of call.messages) yield decode(readContentResponse, message).data;
  } catch (error) {
    throw asEngineError(error);
  } finally {
    call.cancel();
  }
}

async function write(
  session: Session,
  metadata: StoreName,
  { digest, size }: Descriptor,
  open: () => ByteStream | Iterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  const call = session.client.call(`${service}/Write`, { metadata, signal });
  const ended = drained(call);
  const about = { ref: `gantry-${digest}`, total: size, expected: digest };
  let offset = 0;
  try {
    for await (const data of inPieces(open(), pieceBytes)) {
      const message = encode(writeContentRequest, { action: writeActions.write, ...about, offset, data });
      await Promise.race([call.send(message), ended]);
      offset += data.length;
    }
    await call.send(encode(writeContentRequest, { action: writeActions.commit, ...about, offset }));
    call.end();
    await ended;
  } catch (error) {
    call.cancel();
    // The client has it.
    if (error instanceof GrpcError && error.status === statusCodes.exists) return;
    throw asEngineError(error);
  }
}
