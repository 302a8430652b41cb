import { isIP } from 'node:net';
import { invalid } from '../../base/errors.ts';
import { isDecimal } from '../../base/text/digits.ts';
import { pathOf } from './read.ts';

/** Where the API is served. */
export type ListenAddress =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  /** Sockets that the manager of the service opened (sd_listen_fds(3)): all, or those of one name. */
  | { readonly kind: 'activated'; readonly name: string | undefined };

/** sockaddr_un holds 107 bytes of path (unix(7)). */
const longestSocketPath = 107;

/** Docker's ports without and with TLS. */
const defaultPort = { plain: 2375, tls: 2376 } as const;

/**
 * An address of `--host`: `unix:///path`, `tcp://host:port`, `host:port`, `fd://`, `fd://name`.
 * @throws EngineError `invalid` for anything else.
 */
export function parseListenAddress(text: string, defaultSocket: string, tls: boolean): ListenAddress {
  if (text.startsWith('fd://')) {
    const name = text.slice('fd://'.length);
    return { kind: 'activated', name: name === '' || name === '*' ? undefined : name };
  }
  if (text.startsWith('unix://')) return unixAddress(text.slice('unix://'.length) || defaultSocket);
  const at = text.indexOf('://');
  if (at >= 0 && !text.startsWith('tcp://')) {
    throw invalid(`unsupported address ${JSON.stringify(text)} for --host: expected unix://, tcp:// or fd://`);
  }
  return tcpAddress(at < 0 ? text : text.slice('tcp://'.length), text, tls);
}

function unixAddress(given: string): ListenAddress {
  const path = pathOf(given, 'host');
  if (Buffer.byteLength(path) > longestSocketPath) {
    throw invalid(`the socket path ${path} is longer than the ${longestSocketPath} bytes that the kernel allows`);
  }
  return { kind: 'unix', path };
}

function tcpAddress(authority: string, text: string, tls: boolean): ListenAddress {
  const bad = (why: string) => invalid(`invalid bind address (${text}): ${why}`);
  if (authority.includes('/') || authority.includes('@')) throw bad('should not contain a path or a user');
  const close = authority.startsWith('[') ? authority.indexOf(']') : -1;
  const colon = authority.indexOf(':', Math.max(close, 0));
  const host = close > 0 ? authority.slice(1, close) : colon < 0 ? authority : authority.slice(0, colon);
  const portText = colon < 0 ? '' : authority.slice(colon + 1);
  const port = portText === '' ? (tls ? defaultPort.tls : defaultPort.plain) : Number(portText);
  if ((portText !== '' && !isDecimal(portText)) || port > 65535)
    throw bad(`port ${JSON.stringify(portText)} is no port`);
  if (!/^[a-zA-Z0-9.:%_-]*$/.test(host) || (close > 0 && isIP(host.split('%', 1)[0] ?? '') !== 6))
    throw bad('the host is malformed');
  return { kind: 'tcp', host: host === '' ? '127.0.0.1' : host, port };
}

/** An address as users write it. */
export function formatListenAddress(address: ListenAddress): string {
  switch (address.kind) {
    case 'unix':
      return `unix://${address.path}`;
    case 'tcp':
      return `tcp://${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`;
    case 'activated':
      return `fd://${address.name ?? ''}`;
  }
}
