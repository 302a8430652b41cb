import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { EngineError } from '../../base/errors.ts';
import { BodyDecoder } from '../../base/http-body.ts';
import type { ByteStream } from '../../base/stream.ts';
import type { SocketBody } from '../../spec/contract/files.ts';
import type { Exchange } from './exchange.ts';

/** Bodies that are declared smaller go the usual way: their connection can be used again. */
const large = 1 << 20;

/** What node:http keeps about a connection and its request; it has no public way to leave a body to somebody else. */
interface Connection extends Socket {
  readonly encrypted?: boolean;
  readonly parser?: Parser | null;
  readonly _handle?: Handle | null;
}
interface Handle {
  readonly fd?: number;
  reading?: boolean;
  readStart?(): unknown;
  readStop?(): unknown;
}
interface Parser {
  onIncoming?: (request: IncomingMessage & { upgrade?: boolean }, keepAlive: boolean) => number;
}
/** The parser's answer to "is there a body": no, and what follows is another protocol. */
const nothingFollows = 2;

/** True for a request whose body is large, or of unknown length, and framed in one of the two usual ways. */
export function isLargeBody({ headers, httpVersion }: IncomingMessage): boolean {
  if (httpVersion !== '1.1' || headers.host === undefined || headers.expect !== undefined) return false;
  if (headers.upgrade !== undefined) return false;
  const [coding, length] = [headers['transfer-encoding'], headers['content-length']];
  if (coding !== undefined) return coding.toLowerCase() === 'chunked' && length === undefined;
  return length !== undefined && Number.isSafeInteger(Number(length)) && Number(length) >= large;
}

/**
 * Makes node:http give up a new connection after the head of each request that is `wanted`, as if it were an upgrade: the
 * server's `upgrade` event brings it, with the bytes of its body that were read already. Encrypted connections stay as
 * they are.
 */
export function leaveBodiesTo(socket: Connection, wanted: (request: IncomingMessage) => boolean): void {
  const { parser } = socket;
  const usual = parser?.onIncoming;
  if (socket.encrypted === true || parser == null || usual === undefined) return;
  parser.onIncoming = (request, keepAlive) => {
    if (!wanted(request)) return usual(request, keepAlive);
    request.upgrade = true;
    return nothingFollows;
  };
}

/** Leaves what comes next in the socket, until it is resumed. To be called when the connection has just been given up. */
export function holdBack(socket: Connection): void {
  const handle = socket._handle;
  socket.pause();
  if (handle == null) return;
  handle.reading = false;
  handle.readStop?.();
  // The stream believes that it is reading all the while, and would not begin again by itself.
  socket.once('resume', () => readOn(socket));
}

function readOn({ _handle: handle }: Connection): void {
  if (handle == null || handle.reading === true) return;
  handle.reading = true;
  handle.readStart?.();
}

/** The request's body, when its connection was left to us. */
export function socketBody({ upgraded, request }: Exchange): SocketBody | undefined {
  if (upgraded === undefined) return undefined;
  const { head } = upgraded;
  const socket = request.socket as Connection;
  const declared = request.headers['content-length'];
  const length = declared === undefined ? undefined : Number(declared);
  return {
    head,
    length,
    descriptor() {
      const fd = socket._handle?.fd ?? -1;
      return socket.destroyed || fd < 0 ? undefined : fd;
    },
    stream: (raw) => decoded(socket, raw, length),
  };
}

/** The content of a body of which `raw` was read; the connection is left as it is when nobody wants more. */
async function* decoded(socket: Connection, raw: Uint8Array, length: number | undefined): ByteStream {
  const decoder = new BodyDecoder(length);
  const parts: Uint8Array[] = [];
  const take = (part: Uint8Array): unknown => parts.push(part);
  decoder.push(raw, take);
  yield* parts.splice(0);
  if (decoder.done) return;
  readOn(socket);
  for await (const bytes of socket.iterator({ destroyOnReturn: false })) {
    decoder.push(bytes as Buffer, take);
    yield* parts.splice(0);
    if (decoder.done) return;
  }
  throw new EngineError('cancelled', 'the client went away while it sent its request');
}
