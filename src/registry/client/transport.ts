import { lookup as dnsLookup } from 'node:dns';
import type { Agent as HttpAgent, ClientRequest, IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { AgentOptions } from 'node:https';
import { hash } from 'node:crypto';
import { isIP, type LookupFunction } from 'node:net';
import { cancelledBy } from '../../base/async.ts';
import { EngineError } from '../../base/errors.ts';
import type { ByteStream } from '../../base/stream.ts';
import { hostOf, isOwnNetwork } from './addresses.ts';
import { ProxyError, requestThrough, tunnelAgent } from './_tunnel.ts';
import type { Certificates } from './certificates.ts';
import type { ProxyChoice } from './proxy.ts';

/** What a connection may do. Sockets of one trust are never used for another. */
export interface Trust {
  /** Plain HTTP and certificates nobody vouches for are accepted (an insecure registry). */
  readonly insecure: boolean;
  /** The host itself and link-local addresses may be reached: only where the user named such a registry. */
  readonly ownNetwork: boolean;
  /** Of the registry: its authorities count for all that it names, its client certificates only for itself. */
  readonly certificates?: Certificates | undefined;
}

/** What a request carries. It is opened anew each time that it is sent: after a challenge, or to follow a redirect. */
export interface RequestBody {
  /** Bytes; all of them must come. */
  readonly length: number;
  open(): AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

export type RequestMethod = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export interface TransportRequest {
  readonly url: URL;
  /** `GET` by default. */
  readonly method?: RequestMethod;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: RequestBody | undefined;
  readonly trust: Trust;
  /** Milliseconds until a new connection stands; as long as the head may take by default. */
  readonly dialTimeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface TransportResponse {
  readonly url: URL;
  readonly status: number;
  readonly statusText: string;
  readonly headers: IncomingHttpHeaders;
  /** Must be read to its end, or given up with `discard`. */
  readonly body: ByteStream;
  discard(): void;
}

export interface TransportTimeouts {
  /** Milliseconds until the connection stands and the answer's head is there. */
  readonly headMs: number;
  /** Milliseconds without a byte of a body, in either direction, after which a connection counts as dead. */
  readonly stallMs: number;
  /** Milliseconds from the end of a body that was sent to the answer: a registry may check or copy a whole blob first. */
  readonly answerMs: number;
}

/** One request, no redirects. @throws TransportError, or EngineError `cancelled`; what the body throws. */
export type Transport = (request: TransportRequest) => Promise<TransportResponse>;

/** A request that got no complete answer; the text is in the words of Docker's clients. */
export class TransportError extends EngineError {
  /** Nobody could be reached under this address, as opposed to a connection that broke. */
  readonly unreachable: boolean;
  /** The answer was no TLS, or its certificate was not accepted. */
  readonly tls: boolean;

  constructor(
    { url, method = 'GET' }: Pick<TransportRequest, 'url' | 'method'>,
    reason: string,
    kind: { unreachable?: boolean; tls?: boolean },
    cause?: unknown,
  ) {
    super('unavailable', `${nameOf(method)} ${JSON.stringify(withoutQuery(url))}: ${reason}`, { cause });
    this.unreachable = kind.unreachable ?? false;
    this.tls = kind.tls ?? false;
  }
}

const nameOf = (method: RequestMethod): string => method.charAt(0) + method.slice(1).toLowerCase();

/** Queries of redirect targets carry signatures: they stay out of messages. */
const withoutQuery = (url: URL): string => `${url.origin}${url.pathname}`;

/** Loaded with the first request: an engine that pulls nothing needs neither. Why not by import: see api/server.ts. */
const moduleFor = (url: URL) => process.getBuiltinModule(url.protocol === 'https:' ? 'node:https' : 'node:http');

/** Connections are kept and shared by all requests of one transport; idle ones do not keep the process alive. */
export function createTransport(timeouts: TransportTimeouts, proxyOf: ProxyChoice = () => undefined): Transport {
  const agents = new Map<string, HttpAgent>();
  const agentFor = (url: URL, trust: Trust, proxy: URL | undefined): HttpAgent => {
    const { certificates } = trust;
    const shown = certificates === undefined ? '' : hash('sha256', JSON.stringify(certificates), 'hex');
    const key = `${url.protocol}${trust.insecure}${trust.ownNetwork}${shown}${url.host === certificates?.host} ${proxy?.href}`;
    let agent = agents.get(key);
    if (agent === undefined) {
      const options = { keepAlive: true, maxFreeSockets: 4 };
      const guarded = { ...options, lookup: guardedLookup(trust) };
      const tls = { rejectUnauthorized: !trust.insecure, ...tlsOptions(url, certificates) };
      if (url.protocol !== 'https:')
        agent = new (moduleFor(proxy ?? url).Agent)(proxy === undefined ? guarded : options);
      else if (proxy === undefined) agent = new (process.getBuiltinModule('node:https').Agent)({ ...guarded, ...tls });
      else agent = tunnelAgent(proxy, { ...options, ...tls }, timeouts.headMs);
      agents.set(key, agent);
    }
    return agent;
  };
  return async (request) => {
    const literal = hostOf(request.url.host);
    if (isIP(literal) !== 0 && !request.trust.ownNetwork && isOwnNetwork(literal)) throw forbiddenAddress(request);
    const proxy = proxyOf(request.url);
    const message = await send(request, agentFor(request.url, request.trust, proxy), timeouts, proxy);
    return {
      url: request.url,
      status: message.statusCode ?? 0,
      statusText: message.statusMessage ?? '',
      headers: message.headers,
      body: bodyOf(message, request, timeouts.stallMs),
      discard: () => discard(message, request),
    };
  };
}

/** The connection is kept where there is next to nothing left to read. */
function discard(message: IncomingMessage, { method }: TransportRequest): void {
  message.on('error', () => undefined);
  const isEmpty = method === 'HEAD' || message.statusCode === 204 || message.headers['content-length'] === '0';
  if (isEmpty) message.resume();
  else message.destroy();
}

function tlsOptions(url: URL, certificates: Certificates | undefined): AgentOptions {
  if (certificates === undefined) return {};
  const { authorities, client, host } = certificates;
  const isOwn = url.host === host && client.length > 0;
  return {
    ...(authorities.length === 0 ? {} : { ca: [...systemAuthorities(), ...authorities] }),
    ...(isOwn ? { cert: client.map(({ cert }) => cert), key: client.map(({ key }) => key) } : {}),
  };
}

/** Of the system, where it can be read, and those that come with the runtime. */
const systemAuthorities = (): readonly string[] => {
  const { getCACertificates } = process.getBuiltinModule('node:tls');
  return [...new Set([...getCACertificates('default'), ...getCACertificates('system')])];
};

const forbiddenAddress = (request: TransportRequest): TransportError =>
  new TransportError(request, 'refused: the address belongs to this host or its own link', { unreachable: true });

/** Resolves like the system does, and refuses names that lead to this host unless that is allowed. */
function guardedLookup(trust: Trust): LookupFunction {
  return (hostname, options, callback) => {
    dnsLookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, '', 0);
      const allowed = addresses.filter(({ address }) => trust.ownNetwork || !isOwnNetwork(address));
      const first = allowed[0];
      if (first === undefined) return callback(new ForbiddenAddress(), '', 0);
      if (options.all === true) callback(null, allowed);
      else callback(null, first.address, first.family);
    });
  };
}
class ForbiddenAddress extends Error {}

function send(
  sent: TransportRequest,
  agent: HttpAgent,
  timeouts: TransportTimeouts,
  proxy: URL | undefined,
): Promise<IncomingMessage> {
  const { url, method = 'GET', headers, body, signal } = sent;
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) return reject(cancelledBy(signal));
    const length = body === undefined ? {} : { 'content-length': String(body.length) };
    const options = { agent, method, headers: { ...headers, ...length }, ...(signal === undefined ? {} : { signal }) };
    const request =
      proxy === undefined || url.protocol === 'https:'
        ? moduleFor(url).request(url, options)
        : requestThrough(proxy, url, options);
    const patience = new Patience((reason) => request.destroy(new TransportError(sent, reason, { unreachable: true })));
    patience.expect(timeouts.headMs, headTimeout);
    const fail = (error: unknown): void => {
      patience.end();
      reject(signal?.aborted === true ? cancelledBy(signal) : transportError(sent, error, proxy));
    };
    request.once('response', (message) => {
      patience.end();
      resolve(message);
    });
    request.on('error', fail);
    limitNotes(sent, request);
    limitDial(request, sent.dialTimeoutMs, patience, timeouts.headMs);
    if (body === undefined) request.end();
    else {
      sendBody(request, body, patience, timeouts).catch((error: unknown) => {
        fail(error);
        request.destroy();
      });
    }
  });
}

/** What no honest server sends; trying again would only cost the same again. */
const hostile = ({ url, method = 'GET' }: TransportRequest, reason: string): EngineError =>
  new EngineError('corrupt', `${nameOf(method)} ${JSON.stringify(withoutQuery(url))}: ${reason}`);

/** Answers before the answer (1xx) that a server may send. */
const mostNotes = 16;

function limitNotes(sent: TransportRequest, request: ClientRequest): void {
  let notes = 0;
  request.on('information', () => {
    if (++notes === mostNotes) request.destroy(hostile(sent, `more than ${mostNotes} informational answers`));
  });
}

function limitDial(request: ClientRequest, dialMs: number | undefined, patience: Patience, headMs: number): void {
  if (dialMs === undefined || dialMs >= headMs) return;
  request.once('socket', (socket) => {
    if (!socket.connecting) return;
    patience.expect(dialMs, 'dial tcp: i/o timeout');
    socket.once('connect', () => patience.expect(headMs, headTimeout));
  });
}

const headTimeout = 'net/http: request canceled while waiting for connection (timeout exceeded while awaiting headers)';

/**
 * One timer of a request, for what is waited for at the moment. Before it counts, what came meanwhile is looked at: an
 * engine that was held up itself must not blame the registry.
 */
class Patience {
  readonly #over: (reason: string) => void;
  #timer: NodeJS.Timeout | undefined;
  #ended = false;

  constructor(over: (reason: string) => void) {
    this.#over = over;
  }

  /** Waits from now on for something else, for `ms` at most. */
  expect(ms: number, reason: string): void {
    clearTimeout(this.#timer);
    if (this.#ended) return;
    const timer = setTimeout(() => {
      setImmediate(() => {
        if (!this.#ended && this.#timer === timer) this.#over(reason);
      });
    }, ms);
    this.#timer = timer;
  }

  get ended(): boolean {
    return this.#ended;
  }

  end(): void {
    this.#ended = true;
    clearTimeout(this.#timer);
  }
}

/** Stops at an answer that does not wait for the body. */
async function sendBody(
  request: ClientRequest,
  body: RequestBody,
  patience: Patience,
  { stallMs, answerMs }: TransportTimeouts,
): Promise<void> {
  let sent = 0;
  const { length } = body;
  for await (const chunk of body.open()) {
    sent += chunk.length;
    if (patience.ended || sent > length) break;
    if (request.write(chunk)) continue;
    patience.expect(stallMs, `no data taken for ${stallMs / 1000} seconds: i/o timeout`);
    await drained(request);
  }
  if (patience.ended) return;
  if (sent !== length) throw new EngineError('internal', `a request's body has ${sent} bytes instead of ${length}`);
  patience.expect(answerMs, 'net/http: timeout awaiting response headers');
  request.end();
}

/** Ends also with the request. */
const drained = (request: ClientRequest): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      for (const event of ends) request.off(event, done);
      resolve();
    };
    const ends = ['drain', 'response', 'close'];
    for (const event of ends) request.on(event, done);
    if (request.destroyed || !request.writableNeedDrain) done();
  });

/** Bytes around the content of an answer that may come beside as many as the content has. */
const mostFraming = 1 << 20;

/** The bytes of the answer; a silence of `stallMs` while somebody waits for them ends the connection. */
async function* bodyOf(message: IncomingMessage, request: TransportRequest, stallMs: number): ByteStream {
  const { signal } = request;
  const { socket } = message;
  const before = socket.bytesRead;
  let received = 0;
  let waitingSince: number | undefined;
  const watch = setInterval(
    () => {
      const since = waitingSince;
      if (since === undefined || performance.now() - since < stallMs) return;
      setImmediate(() => {
        if (waitingSince !== since) return;
        message.destroy(new TransportError(request, `no data for ${stallMs / 1000} seconds: i/o timeout`, {}));
      });
    },
    Math.max(10, stallMs / 4),
  );
  watch.unref();
  try {
    const chunks = message[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
    for (;;) {
      waitingSince = performance.now();
      const next = await chunks.next();
      waitingSince = undefined;
      if (next.done === true) break;
      received += next.value.length;
      // Chunks of a byte cost the parser as much as large ones, and everybody else their turn.
      const around = socket.bytesRead - before - received - message.readableLength;
      if (around > mostFraming + received) throw hostile(request, 'the answer has more framing than content');
      yield next.value;
    }
    if (!message.complete) throw new TransportError(request, 'unexpected EOF', {});
  } catch (error) {
    if (signal?.aborted === true) throw cancelledBy(signal);
    throw error instanceof EngineError ? error : transportError(request, error);
  } finally {
    clearInterval(watch);
    if (!message.complete) message.destroy();
  }
}

const tlsReasons = new Map([
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'x509: certificate signed by unknown authority'],
  ['SELF_SIGNED_CERT_IN_CHAIN', 'x509: certificate signed by unknown authority'],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'x509: certificate signed by unknown authority'],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'x509: certificate signed by unknown authority'],
  ['CERT_HAS_EXPIRED', 'x509: certificate has expired or is not yet valid'],
]);

/** Words a failed request as Go's net/http does, which users know and search for. */
function transportError(request: TransportRequest, error: unknown, proxy?: URL): EngineError {
  const { url } = request;
  if (error instanceof EngineError) return error;
  // Several addresses were tried: the first failure stands for all.
  const failed = error instanceof ProxyError ? error.cause : error;
  const cause = failed instanceof AggregateError ? (failed.errors[0] as unknown) : failed;
  if (cause instanceof ForbiddenAddress) return forbiddenAddress(request);
  const failure = cause as NodeJS.ErrnoException & { address?: string; port?: number };
  const code = failure.code ?? '';
  const isV6 = failure.address?.includes(':') === true;
  const peer =
    failure.address === undefined ? url.host : `${isV6 ? `[${failure.address}]` : failure.address}:${failure.port}`;
  // Behind a proxy only the proxy itself is dialled.
  const where = proxy === undefined ? '' : 'proxyconnect tcp: ';
  const dial = (reason: string) =>
    new TransportError(request, `${where}dial tcp ${peer}: ${reason}`, { unreachable: true }, error);
  const lookup = (reason: string) =>
    new TransportError(
      request,
      `${where}dial tcp: lookup ${(proxy ?? url).hostname}: ${reason}`,
      { unreachable: true },
      error,
    );
  switch (code) {
    case 'ECONNREFUSED':
      return dial('connect: connection refused');
    case 'EHOSTUNREACH':
      return dial('connect: no route to host');
    case 'ENETUNREACH':
      return dial('connect: network is unreachable');
    case 'ETIMEDOUT':
      return dial('i/o timeout');
    case 'ENOTFOUND':
      return lookup('no such host');
    case 'EAI_AGAIN':
      return lookup('temporary failure in name resolution');
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
    case 'ERR_SSL_PACKET_LENGTH_TOO_LONG':
    case 'EPROTO':
      return new TransportError(request, 'http: server gave HTTP response to HTTPS client', { tls: true }, error);
    default:
  }
  if (error instanceof ProxyError) {
    // What the proxy answered instead of a tunnel, as Go words it: its status line.
    return new TransportError(request, failure.message || 'the proxy refused', { unreachable: true }, error);
  }
  const known = tlsReasons.get(code);
  if (known !== undefined || code.startsWith('CERT_') || code.startsWith('ERR_TLS_') || code.startsWith('ERR_SSL_')) {
    const reason = `tls: failed to verify certificate: ${known ?? failure.message}`;
    return new TransportError(request, reason, { tls: true }, error);
  }
  return new TransportError(request, code === 'ECONNRESET' ? 'EOF' : (failure.message ?? String(error)), {}, error);
}
