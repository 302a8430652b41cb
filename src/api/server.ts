import type * as Http from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { codeOf, EngineError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Authorization } from './authorization/guard.ts';
import { parseQuery } from '../spec/decode/query.ts';
import { httpError } from './errors.ts';
import { discardBody } from './http/body.ts';
import { endStream, isTakenOver } from './hijack/takeover.ts';
import { refuseConnection } from './hijack/refuse.ts';
import { Exchange, type Handler, type Upgraded } from './http/exchange.ts';
import { listenOnSocket, type SocketOptions } from './http/listen.ts';
import { checkBrowserHeaders } from './http/guard.ts';
import { holdBack, isLargeBody, leaveBodiesTo } from './http/socket-body.ts';
import { listenOnDescriptor, listenOnPort, mostConnections, secureServer, type TlsFiles } from './http/listen-tcp.ts';
import { matchRoute } from './http/router.ts';
import { hijackedOperations, type OperationId } from './operations.ts';
import { allHandlers } from './routes/all.ts';
import type { ApiServices } from './services.ts';
import { maxApiVersion, minMinor, splitVersion } from './versions.ts';

/**
 * Not an import statement: that would read all properties of the module, among them the ones that load Node's WebSocket
 * and fetch, which costs 80 ms and 8 MB at boot.
 */
const http = process.getBuiltinModule('node:http');

export interface ApiServerOptions {
  readonly log: Logger;
  /** The engine's version, for the `Server` header. */
  readonly version: string;
  /** The oldest API version that is answered, 1.`minMinor`. */
  readonly minMinor?: number;
  /** Clients are told that experimental parts are on. */
  readonly experimental?: boolean;
  /** Who is asked about each request, as it is at that moment; undefined while nobody is. */
  readonly authorization?: () => Authorization | undefined;
  /** Told of each request that was answered, or taken over. */
  readonly onRequest?: ((seen: RequestSeen) => void) | undefined;
}

/** What became of one request. */
export interface RequestSeen {
  readonly operation: OperationId;
  readonly status: number;
  /** Milliseconds until its handler was done. */
  readonly ms: number;
}

export interface ApiServer {
  /** Serves a unix socket, removing a stale one; may be called for several paths. @throws as listenOnSocket */
  listen(socketPath: string, options?: SocketOptions): Promise<void>;
  /** Serves a TCP port, in the clear without `tls`; gives the port. @throws conflict, invalid */
  listenTcp(host: string, port: number, tls?: TlsFiles): Promise<number>;
  /** Serves a listening socket that somebody else opened; with `tls` when it is one of TCP. @throws invalid */
  listenDescriptor(fd: number, tls?: TlsFiles): Promise<void>;
  /** Stops listening, removes the sockets, and ends all connections. */
  close(): Promise<void>;
}

/** Long enough for any credentials that clients put into headers. */
const maxHeaderBytes = 64 * 1024;

/** The Docker Engine API over the given services. */
export function createApiServer(services: ApiServices, options: ApiServerOptions): ApiServer {
  const dispatcher = new Dispatcher(allHandlers(services), options);
  const servers: Http.Server[] = [];
  return {
    async listen(socketPath, socketOptions) {
      const server = dispatcher.createServer();
      await listenOnSocket(server, socketPath, socketOptions);
      servers.push(server);
    },
    async listenTcp(host, port, tls) {
      const server = dispatcher.createServer({ tls });
      const bound = await listenOnPort(server, host, port);
      servers.push(server);
      return bound;
    },
    async listenDescriptor(fd, tls) {
      const server = dispatcher.createServer({ tls });
      await listenOnDescriptor(server, fd);
      servers.push(server);
    },
    async close() {
      const closed = servers.splice(0).map((server) => closeServer(server));
      dispatcher.endConnections();
      await Promise.all(closed);
    },
  };
}

/** Undefined for a path that is nothing here. */
function operationOf(request: Http.IncomingMessage): OperationId | undefined {
  try {
    const path = (request.url ?? '').split('?', 1)[0] ?? '';
    return matchRoute(request.method ?? '', splitVersion(path).path)?.operation;
  } catch {
    return undefined;
  }
}

function closeServer(server: Http.Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  return promise;
}

/** From a parsed HTTP message to its handler, and from what the handler throws to an answer. */
class Dispatcher {
  readonly #handlers: ReadonlyMap<OperationId, Handler>;
  readonly #log: Logger;
  readonly #serverHeader: string;
  readonly #minMinor: number;
  readonly #experimental: string;
  readonly #onRequest: ((seen: RequestSeen) => void) | undefined;
  readonly #authorization: (() => Authorization | undefined) | undefined;
  /** All open connections: node:http forgets those that were taken over. */
  readonly #connections = new Set<Socket>();

  /** The last answer on each connection, finished or not. */
  readonly #latest = new WeakMap<Socket, Http.ServerResponse>();

  constructor(handlers: ReadonlyMap<OperationId, Handler>, options: ApiServerOptions) {
    this.#handlers = handlers;
    this.#log = options.log;
    this.#serverHeader = `Gantry/${options.version} (linux)`;
    this.#minMinor = options.minMinor ?? minMinor;
    this.#experimental = String(options.experimental ?? false);
    this.#onRequest = options.onRequest;
    this.#authorization = options.authorization;
  }

  createServer({ tls }: { tls?: TlsFiles | undefined } = {}): Http.Server {
    const options: Http.ServerOptions = {
      insecureHTTPParser: false,
      maxHeaderSize: maxHeaderBytes,
      // Streams, waits and idle clients live as long as they like; only a request's head has to come in time.
      requestTimeout: 0,
      headersTimeout: 30_000,
      keepAliveTimeout: 0,
      shouldUpgradeCallback: (request: Http.IncomingMessage) => this.#wantsUpgrade(request),
    };
    const server = tls === undefined ? http.createServer(options) : secureServer(options, tls);
    server.timeout = 0;
    server.maxConnections = mostConnections;
    server.on('connection', (socket: Socket) => {
      this.#connections.add(socket);
      leaveBodiesTo(socket, (request) => this.#wantsBody(request));
      socket.once('close', () => this.#connections.delete(socket));
    });
    server.on('request', (request: Http.IncomingMessage, response: Http.ServerResponse) => {
      this.#latest.set(request.socket, response);
      response.once('finish', () => {
        if (!isTakenOver(request)) discardBody(request);
      });
      void this.#answer(request, response, undefined);
    });
    server.on('upgrade', (request: Http.IncomingMessage, stream: Duplex, head: Buffer) => {
      if (this.#wantsBody(request)) holdBack(request.socket);
      const response = new http.ServerResponse(request);
      attachResponse(response, stream, this.#latest.get(request.socket));
      void this.#answer(request, response, { stream, head });
    });
    server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
      const earlier = this.#latest.get(socket);
      if (earlier === undefined || earlier.writableFinished) refuseConnection(error, socket);
      else socket.destroy();
    });
    return server;
  }

  endConnections(): void {
    for (const socket of this.#connections) socket.destroy();
  }

  /** Only what can use an upgraded connection gets one; anything else is an ordinary request. */
  #wantsUpgrade(request: Http.IncomingMessage): boolean {
    const operation = operationOf(request);
    return operation !== undefined && hijackedOperations.has(operation);
  }

  /** Who reads the request's body from the connection by itself: large bodies cost much less so. */
  #wantsBody(request: Http.IncomingMessage): boolean {
    return request.method === 'PUT' && isLargeBody(request) && operationOf(request) === 'PutContainerArchive';
  }

  async #answer(
    request: Http.IncomingMessage,
    response: Http.ServerResponse,
    upgraded: Upgraded | undefined,
  ): Promise<void> {
    response.sendDate = false;
    response.setHeader('Api-Version', maxApiVersion);
    response.setHeader('Docker-Experimental', this.#experimental);
    response.setHeader('Ostype', 'linux');
    response.setHeader('Server', this.#serverHeader);
    try {
      await this.#dispatch(request, response, upgraded);
    } catch (error) {
      this.#fail(request, response, error);
    }
  }

  async #dispatch(
    request: Http.IncomingMessage,
    response: Http.ServerResponse,
    upgraded: Upgraded | undefined,
  ): Promise<void> {
    checkBrowserHeaders(request);
    const url = request.url ?? '';
    const mark = url.indexOf('?');
    const { minor, path } = splitVersion(mark < 0 ? url : url.slice(0, mark), this.#minMinor);
    if (request.method === 'OPTIONS') {
      response.writeHead(200, { 'Content-Length': 0 });
      response.end();
      return;
    }
    const match = matchRoute(request.method ?? '', path);
    if (match === undefined) throw new EngineError('not-found', 'page not found');
    const { operation } = match;
    const handler = this.#handlers.get(operation) ?? notImplemented(operation);
    const query = parseQuery(mark < 0 ? '' : url.slice(mark + 1));
    const exchange = new Exchange(request, response, { minor, params: match.params, query, upgraded }, this.#log);
    const authorization = this.#authorization?.();
    const handle =
      authorization === undefined
        ? () => handler(exchange)
        : () => authorization.guard(exchange, operation, () => handler(exchange));
    if (this.#onRequest === undefined) return handle();
    await this.#timed(operation, response, handle);
  }

  async #timed(operation: OperationId, response: Http.ServerResponse, handle: () => void | Promise<void>) {
    const began = performance.now();
    let status: number | undefined;
    try {
      await handle();
      status = response.statusCode;
    } catch (error) {
      status = httpError(error).status;
      throw error;
    } finally {
      this.#onRequest?.({ operation, status: status ?? 500, ms: performance.now() - began });
    }
  }

  #fail(request: Http.IncomingMessage, response: Http.ServerResponse, error: unknown): void {
    const { status, message } = httpError(error);
    if (status === 500 && codeOf(error) !== 'cancelled') {
      this.#log.error('request failed', { method: request.method, path: request.url?.split('?', 1)[0], error });
    }
    if (isTakenOver(request) || response.headersSent) {
      // The status is gone already: only a broken connection can tell the client.
      request.socket.destroy();
      return;
    }
    if (status === 304) {
      response.writeHead(304);
      response.end();
      return;
    }
    const body = `${JSON.stringify({ message })}\n`;
    response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) });
    response.end(request.method === 'HEAD' ? undefined : body);
  }
}

const notImplemented = (operation: OperationId): Handler => {
  return () => {
    throw new EngineError('not-implemented', `${operation} is not implemented by this engine yet`);
  };
};

/**
 * Gives an answer its way out on a connection that left node:http's hands by an upgrade: used when the upgrade is
 * refused. An earlier answer may still be on its way out; one that is not even complete would wait for ever, as
 * node:http has stopped looking after it: only a client that sends an upgrade too early sees that.
 */
function attachResponse(response: Http.ServerResponse, stream: Duplex, earlier: Http.ServerResponse | undefined): void {
  const socket = stream as Socket;
  response.shouldKeepAlive = false;
  response.once('finish', () => {
    response.detachSocket(socket);
    endStream(stream);
  });
  if (earlier === undefined || earlier.writableFinished) response.assignSocket(socket);
  else if (!earlier.writableEnded) stream.destroy();
  else earlier.once('finish', () => response.assignSocket(socket));
}
