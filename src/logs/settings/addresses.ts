import { invalid } from '../../base/errors.ts';

/** Where a backend listens: a host and port, or the path of a socket. */
export interface BackendAddress {
  readonly scheme: string;
  readonly host: string;
  readonly port: number;
  readonly path: string;
}

const syslogPort = 514;
const fluentdPort = 24_224;

function parseUrl(text: string): URL {
  try {
    return new URL(text);
  } catch (error) {
    throw invalid(`parse ${JSON.stringify(text.slice(0, 200))}: not a URL`, error);
  }
}

const bare = (host: string): string => (host.startsWith('[') ? host.slice(1, -1) : host);

/** Undefined for none: the host's own syslog then. @throws EngineError `invalid` in Docker's words. */
export function syslogAddress(text: string | undefined): BackendAddress | undefined {
  if (text === undefined || text === '') return undefined;
  const url = parseUrl(text);
  const scheme = url.protocol.slice(0, -1);
  if (scheme === 'unix' || scheme === 'unixgram') {
    return { scheme, host: '', port: 0, path: decodeURIComponent(url.pathname) };
  }
  if (!['udp', 'tcp', 'tcp+tls'].includes(scheme)) throw invalid(`unsupported scheme: '${scheme}'`);
  return { scheme, host: bare(url.hostname), port: url.port === '' ? syslogPort : Number(url.port), path: '' };
}

/** @throws EngineError `invalid` in Docker's words. */
export function gelfAddress(text: string | undefined): BackendAddress {
  if (text === undefined || text === '') throw invalid('gelf-address is a required parameter');
  const url = parseUrl(text);
  const scheme = url.protocol.slice(0, -1);
  if (scheme !== 'udp' && scheme !== 'tcp') throw invalid('gelf: endpoint needs to be TCP or UDP');
  if (url.port === '') throw invalid('gelf: please provide gelf-address as proto://host:port');
  return { scheme, host: bare(url.hostname), port: Number(url.port), path: '' };
}

/** @throws EngineError `invalid` in Docker's words. */
export function fluentdAddress(text: string | undefined): BackendAddress {
  if (text === undefined || text === '') return { scheme: 'tcp', host: '127.0.0.1', port: fluentdPort, path: '' };
  const bad = (why: string) => invalid(`invalid fluentd-address (${text.slice(0, 200)}): ${why}`);
  const url = parseUrl(text.includes('://') ? text : `tcp://${text}`);
  const scheme = url.protocol.slice(0, -1);
  if (scheme === 'unix') {
    if (/^\/*$/.test(url.pathname)) throw bad('path is empty');
    return { scheme, host: '', port: 0, path: decodeURIComponent(url.pathname) };
  }
  if (scheme !== 'tcp' && scheme !== 'tls') throw bad(`unsupported scheme: '${scheme}'`);
  if (url.pathname !== '') throw bad('should not contain a path element');
  const host = url.hostname === '' ? '127.0.0.1' : bare(url.hostname);
  return { scheme, host, port: url.port === '' ? fluentdPort : Number(url.port), path: '' };
}
