import { invalid } from '../../base/errors.ts';
import { type ByteStream, inPieces } from '../../base/stream.ts';
import { encodeMetadata } from '../fsutil/metadata.ts';
import { drained, type Metadata } from '../grpc/client.ts';
import { asEngineError, GrpcError, statusCodes } from '../grpc/status.ts';
import { encode } from '../wire/encode.ts';
import { bytesMessage } from '../wire/session.ts';
import type { Session } from './session.ts';

const diffCopy = '/moby.filesync.v1.FileSend/DiffCopy';

/** Where a client takes what a build gives it. */
export interface SendTarget {
  readonly session: Session;
  /** The exporter's place among those of the build: clients have a file or folder for each. */
  readonly exporter: number;
  readonly signal: AbortSignal;
  /** Said to it besides. */
  readonly more?: Metadata;
}

/** Begins to send. @throws EngineError `invalid` when the client takes nothing */
export function openSend({ session, exporter, signal, more: own = {} }: SendTarget, more: Metadata = {}) {
  if (!session.methods.has(diffCopy))
    throw invalid('the client of this build takes no files: it has no place for them');
  const metadata = { ...own, ...more, 'buildkit-attachable-exporter-id': String(exporter) };
  return session.client.call(diffCopy, { metadata, signal });
}

/** The most of one message: what gRPC's clients accept is 4 MiB. */
const pieceBytes = 1 << 20;

/**
 * Sends one file to the client, with what it gets to know of it. A client that has it already says so, and that is well.
 * @throws EngineError what the client says
 */
export async function sendFile(
  target: SendTarget,
  content: ByteStream,
  about: ReadonlyMap<string, string>,
  progress: (bytes: number) => void,
): Promise<void> {
  const metadata = [...about].map(([name, value]) => encodeMetadata(`exporter-md-${name}`, [value]));
  const call = openSend(target, Object.assign({}, ...metadata) as Metadata);
  // Read from the start: a client that refuses ends the call while we still send.
  const ended = drained(call);
  let sent = 0;
  try {
    for await (const data of inPieces(content, pieceBytes)) {
      await Promise.race([call.send(encode(bytesMessage, { data })), ended]);
      sent += data.length;
      progress(sent);
    }
    call.end();
    await ended;
  } catch (error) {
    call.cancel();
    if (error instanceof GrpcError && error.status === statusCodes.exists) return;
    throw asEngineError(error);
  }
}
