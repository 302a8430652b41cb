import type { Socket } from 'node:net';
import { EngineError } from '../../base/errors.ts';
import type { Exchange } from '../http/exchange.ts';

/** How long a client may keep its side open after everything was said. */
const lingerMs = 10_000;

/**
 * Makes the exchange's connection a plain two-way byte stream: `101 UPGRADED` for clients that ask for an upgrade,
 * `200 OK` without an end for older ones. The request's body must have been read. The socket comes paused; what the
 * client sent already is in it.
 * @throws EngineError `cancelled` when the client is gone.
 */
export function takeOver(exchange: Exchange, contentType: string): Socket {
  const { request, response, head } = exchange;
  const socket = request.socket;
  if (socket.destroyed) throw new EngineError('cancelled', 'the client went away');
  socket.setTimeout(0);
  if (head === undefined) detachParser(socket);
  socket.pause();
  if (head !== undefined && head.length > 0) socket.unshift(head);
  response.detachSocket(socket);
  socket.on('error', () => socket.destroy());
  const common = `Content-Type: ${contentType}\r\nApi-Version: ${String(response.getHeader('Api-Version'))}\r\n`;
  socket.write(
    head === undefined
      ? `HTTP/1.1 200 OK\r\n${common}\r\n`
      : `HTTP/1.1 101 UPGRADED\r\n${common}Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n`,
  );
  return socket;
}

/**
 * node:http has no public way to give up a connection that the client did not ask to upgrade. Without its listeners
 * its parser hears of nothing any more; a `data` listener makes the socket read for itself again.
 */
function detachParser(socket: Socket): void {
  for (const event of ['data', 'end', 'drain', 'timeout']) socket.removeAllListeners(event);
  const nothing = (): void => undefined;
  socket.on('data', nothing);
  socket.off('data', nothing);
}

/**
 * Ends our side, and the connection as soon as the client ended its own. Closing at once, with unread input, would
 * show the client a connection reset in place of the end.
 */
export function endSocket(socket: Socket): void {
  if (socket.destroyed) return;
  socket.resume();
  socket.end();
  if (socket.readableEnded) return;
  const linger = setTimeout(() => socket.destroy(), lingerMs);
  linger.unref();
  socket.once('end', () => socket.destroySoon());
  socket.once('close', () => clearTimeout(linger));
}
