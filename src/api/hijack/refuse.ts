import type { Socket } from 'node:net';
import { messageOf } from '../../base/errors.ts';
import { detachParser, endStream } from './takeover.ts';

/** So many bytes a refused client may still send while it does not look at its answer. */
const mostDiscarded = 64 << 20;

/** Every other error of the parser is the client's bad request. */
const statuses: ReadonlyMap<string | undefined, string> = new Map([
  ['HPE_HEADER_OVERFLOW', '431 Request Header Fields Too Large'],
  ['ERR_HTTP_REQUEST_TIMEOUT', '408 Request Timeout'],
]);

/**
 * Answers what is no HTTP request, and ends the connection. What the client goes on sending is read and thrown away for a
 * while: a connection that is closed with unread bytes is reset, and the reset may overtake the answer.
 */
export function refuseConnection(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  // The parser, which is broken, would report an error for each piece that comes.
  detachParser(socket);
  let discarded = 0;
  socket.on('data', (bytes: Buffer) => {
    discarded += bytes.length;
    if (discarded > mostDiscarded) socket.destroy();
  });
  const body = `${JSON.stringify({ message: `malformed HTTP request: ${messageOf(error)}` })}\n`;
  const head = ['Content-Type: application/json', `Content-Length: ${Buffer.byteLength(body)}`, 'Connection: close'];
  const status = statuses.get(error.code) ?? '400 Bad Request';
  socket.write(`HTTP/1.1 ${status}\r\n${head.join('\r\n')}\r\n\r\n${body}`);
  endStream(socket);
}
