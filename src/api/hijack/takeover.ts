import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { EngineError } from '../../base/errors.ts';
import type { Exchange } from '../http/exchange.ts';

/** How long a client may keep its side open after everything was said. */
const lingerMs = 10_000;

const takenOver = new WeakSet<IncomingMessage>();

/** True when the request's connection is no HTTP any more: no status can be sent. */
export const isTakenOver = (request: IncomingMessage): boolean => takenOver.has(request);

/**
 * Makes the exchange's connection a plain two-way byte stream: `101 UPGRADED` for clients that ask for an upgrade,
 * `200 OK` without an end for older ones. The exchange must be settled (`exchange.settle()`). The stream comes paused;
 * what the client sent already is in it.
 * @throws EngineError `cancelled` when the client is gone.
 */
export function takeOver(exchange: Exchange, contentType: string): Duplex {
  const common = `Content-Type: ${contentType}\r\nApi-Version: ${String(exchange.response.getHeader('Api-Version'))}\r\n`;
  const head =
    exchange.upgraded === undefined
      ? `HTTP/1.1 200 OK\r\n${common}\r\n`
      : `HTTP/1.1 101 UPGRADED\r\n${common}Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n`;
  return takeOverWith(exchange, head);
}

/** The same, with another head of the answer. */
export function takeOverWith(exchange: Exchange, head: string): Duplex {
  const { request, response, upgraded } = exchange;
  const stream = upgraded?.stream ?? request.socket;
  if (stream.destroyed) throw new EngineError('cancelled', 'the client went away');
  takenOver.add(request);
  request.socket.setTimeout(0);
  if (upgraded === undefined) detachParser(request.socket);
  stream.pause();
  if (upgraded !== undefined && upgraded.head.length > 0) stream.unshift(upgraded.head);
  response.detachSocket(stream as Socket);
  stream.on('error', () => stream.destroy());
  stream.write(head);
  return stream;
}

/**
 * node:http has no public way to give up a connection that the client did not ask to upgrade. Without its listeners
 * its parser hears of nothing any more; a `data` listener makes the socket read for itself again.
 */
export function detachParser(socket: Socket): void {
  for (const event of ['data', 'end', 'drain', 'timeout']) socket.removeAllListeners(event);
  const nothing = (): void => undefined;
  socket.on('data', nothing);
  socket.off('data', nothing);
}

/**
 * Ends our side, and the connection as soon as the client ended its own. Closing at once, with unread input, would
 * show the client a connection reset in place of the end.
 */
export function endStream(stream: Duplex): void {
  if (stream.destroyed) return;
  stream.resume();
  stream.end();
  // What still waits for the client may take its time (a pager); only then the client's own end is due.
  stream.once('finish', () => {
    if (stream.readableEnded || stream.destroyed) return;
    const linger = setTimeout(() => stream.destroy(), lingerMs);
    linger.unref();
    stream.once('close', () => clearTimeout(linger));
  });
}
