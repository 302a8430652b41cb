import type { Agent, ClientRequest, RequestOptions } from 'node:http';
import type { AgentOptions } from 'node:https';
import type { Duplex } from 'node:stream';
import type { ConnectionOptions } from 'node:tls';
import { proxyHeaders } from './proxy.ts';

/** A connection to or through a proxy that did not come about; its cause says why. */
export class ProxyError extends Error {}

/** A request for an `http:` URL by way of a proxy, which is told the whole URL (RFC 9112, 3.2.2). */
export function requestThrough(
  proxy: URL,
  url: URL,
  {
    headers: own,
    ...options
  }: Omit<RequestOptions, 'headers'> & { readonly headers: Readonly<Record<string, string>> },
): ClientRequest {
  const headers = { ...own, host: url.host, ...proxyHeaders(proxy) };
  const target = new URL(url);
  target.hash = '';
  return moduleFor(proxy).request({ ...options, ...addressOf(proxy), path: target.href, headers });
}

/** The agent for `https:` URLs by way of a proxy: TLS to the target inside of a tunnel (RFC 9110, 9.3.6). */
export function tunnelAgent(proxy: URL, options: AgentOptions, timeoutMs: number): Agent {
  const { Agent: HttpsAgent } = process.getBuiltinModule('node:https');
  const agent = new HttpsAgent(options);
  agent.createConnection = (wanted, callback) => {
    openTunnel(proxy, `${hostPart(wanted.host ?? '')}:${wanted.port ?? 443}`, timeoutMs, (error, socket) => {
      const { connect } = process.getBuiltinModule('node:tls');
      if (socket !== undefined) return callback?.(null, connect({ ...(wanted as ConnectionOptions), socket }));
      // The callback's type knows no failure without a socket.
      return (callback as ((error: Error) => void) | undefined)?.(error);
    });
    return undefined;
  };
  return agent;
}

const hostPart = (host: string): string => (host.includes(':') ? `[${host}]` : host);

type TunnelResult = [error: Error, socket: undefined] | [error: undefined, socket: Duplex];

function openTunnel(proxy: URL, target: string, timeoutMs: number, done: (...result: TunnelResult) => void): void {
  const headers = { host: target, ...proxyHeaders(proxy) };
  const options = { ...addressOf(proxy), method: 'CONNECT', path: target, headers, agent: false };
  const request = moduleFor(proxy).request(options);
  let isOver = false;
  const fail = (cause: Error): void => {
    clearTimeout(timer);
    request.destroy();
    if (isOver) return;
    isOver = true;
    done(new ProxyError('proxy', { cause }), undefined);
  };
  const timer = setTimeout(() => fail(new Error('i/o timeout')), timeoutMs);
  request.on('error', fail);
  request.once('response', ({ statusCode, statusMessage }) => fail(new Error(statusMessage || String(statusCode))));
  request.once('connect', ({ statusCode = 0, statusMessage }, socket, head) => {
    if (statusCode < 200 || statusCode > 299) {
      socket.destroy();
      return fail(new Error(statusMessage || String(statusCode)));
    }
    clearTimeout(timer);
    isOver = true;
    if (head.length > 0) socket.unshift(head);
    return done(undefined, socket);
  });
  request.end();
}

const moduleFor = (url: URL) => process.getBuiltinModule(url.protocol === 'https:' ? 'node:https' : 'node:http');

const addressOf = (proxy: URL): { host: string; port: number } => ({
  host: proxy.hostname.startsWith('[') ? proxy.hostname.slice(1, -1) : proxy.hostname,
  port: Number(proxy.port || (proxy.protocol === 'https:' ? 443 : 80)),
});
