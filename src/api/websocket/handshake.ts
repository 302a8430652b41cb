import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { invalid } from '../../base/errors.ts';

/** The constant of RFC 6455, section 1.3. */
const acceptKey = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** Whether a request asks for a WebSocket: `Upgrade: websocket`, in a list of protocols or alone. */
export const asksForWebSocket = (headers: IncomingHttpHeaders): boolean =>
  (headers.upgrade ?? '').split(',').some((protocol) => protocol.trim().toLowerCase() === 'websocket');

/**
 * The lines of the answer that accept a WebSocket (RFC 6455, section 4.2.2), without those that every answer has.
 * @throws EngineError `invalid` for a request that is no handshake of version 13.
 */
export function acceptLines(headers: IncomingHttpHeaders): string {
  if (!asksForWebSocket(headers)) throw invalid('not a websocket handshake: the header Upgrade must be websocket');
  if (headers['sec-websocket-version'] !== '13') {
    throw invalid('not a websocket handshake: the header Sec-WebSocket-Version must be 13');
  }
  const key = headers['sec-websocket-key'] ?? '';
  if (!/^[A-Za-z0-9+/]{22}==$/.test(key)) {
    throw invalid('not a websocket handshake: the header Sec-WebSocket-Key must be 16 bytes in base64');
  }
  const accept = createHash('sha1').update(`${key}${acceptKey}`).digest('base64');
  return `Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n`;
}
