import type { IncomingMessage } from 'node:http';
import { isIP, type Socket } from 'node:net';
import { hostname } from 'node:os';
import { EngineError } from '../../base/errors.ts';

/**
 * Keeps web pages away from an engine that listens on TCP. A browser sends whatever a page asks it to, also to this
 * host: what gives it away are its `Origin` and `Sec-Fetch-Site` headers, and, when the page's own name was made to lead
 * here (DNS rebinding), a `Host` that is not ours. Unix sockets are out of a browser's reach.
 * @throws EngineError `forbidden`
 */
export function checkBrowserHeaders({ headers, socket }: IncomingMessage): void {
  if (!isTcp(socket)) return;
  const host = headers.host ?? '';
  if (!isEncrypted(socket) && !isOwnName(hostPart(host))) {
    throw new EngineError(
      'forbidden',
      `refused a request for host ${JSON.stringify(host.slice(0, 100))}: this engine is reached by its address, its host name or a name without dots`,
    );
  }
  const { origin } = headers;
  const site = headers['sec-fetch-site'];
  if (origin !== undefined && !isSameOrigin(origin, host))
    throw fromPage(`origin ${JSON.stringify(origin.slice(0, 100))}`);
  if (site !== undefined && site !== 'none' && site !== 'same-origin') throw fromPage('a web page');
}

const fromPage = (who: string): EngineError =>
  new EngineError('forbidden', `refused a request from ${who}: web pages may not use this engine`);

/** Sockets of unix(7) have no address of the other side. */
const isTcp = (socket: Socket): boolean => socket.remoteFamily !== undefined;

/** With TLS the name in the certificate has told the client already whom it speaks to. */
const isEncrypted = (socket: Socket): boolean => (socket as { encrypted?: boolean }).encrypted === true;

function hostPart(host: string): string {
  if (host.startsWith('[')) return host.slice(1, Math.max(1, host.indexOf(']')));
  const colon = host.indexOf(':');
  return (colon < 0 ? host : host.slice(0, colon)).toLowerCase();
}

/** No page's name has these forms: the names of public sites have dots, and are not this host's. */
function isOwnName(name: string): boolean {
  if (name === '' || isIP(name) !== 0) return name !== '';
  if (!name.includes('.') || name.endsWith('.localhost')) return true;
  const own = hostname().toLowerCase();
  return name === own || name.startsWith(`${own}.`);
}

function isSameOrigin(origin: string, host: string): boolean {
  const url = URL.parse(origin);
  return url !== null && url.host !== '' && url.host === host.toLowerCase();
}
