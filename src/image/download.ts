import { EngineError, invalid, notFound } from '../base/errors.ts';
import type { ByteStream } from '../base/stream.ts';
import { createTransport, type Transport, type TransportResponse } from '../registry/client/transport.ts';

const mostRedirects = 10;

/** What a web server answered with. */
export interface Download {
  /** As it is shown: without a password. */
  readonly name: string;
  /** Bytes; 0 when the server does not say. */
  readonly length: number;
  /** Must be read to its end or returned. */
  readonly body: ByteStream;
}

/**
 * Fetches an archive by HTTP. The address itself may be any that the engine reaches, as in Docker; a redirect does not
 * lead to the engine's host or to link-local addresses unless it stays on the host that was named, and not from TLS
 * to plain HTTP. @throws EngineError; `not-found`, `invalid`, `unauthorized` and `forbidden` as the server answered
 */
export async function download(source: string, signal: AbortSignal): Promise<Download> {
  const transport = createTransport({ headMs: 30_000, stallMs: 60_000, answerMs: 0 });
  const first = addressOf(source);
  let url = first;
  for (let redirects = 0; redirects <= mostRedirects; redirects++) {
    const response = await request(transport, url, first, signal);
    const target = redirectOf(response);
    if (target === undefined) return accepted(response, shown(first));
    response.discard();
    if (target.protocol !== 'https:' && (target.protocol !== 'http:' || url.protocol === 'https:')) {
      throw invalid(`${shown(url)} redirects to ${JSON.stringify(shown(target))}`);
    }
    url = target;
  }
  throw invalid(`${shown(first)}: stopped after ${mostRedirects} redirects`);
}

/** `example.com/x.tar` is taken for http, as Docker does. */
function addressOf(source: string): URL {
  const text = source.includes('://') ? source : `http://${source}`;
  const url = URL.parse(text);
  if (url === null) throw invalid(`${JSON.stringify(source.slice(0, 200))} is no URL`);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw invalid(`${JSON.stringify(shown(url))}: unsupported protocol scheme "${url.protocol.slice(0, -1)}"`);
  }
  return url;
}

const shown = ({ protocol, host, pathname, search }: URL): string => `${protocol}//${host}${pathname}${search}`;

async function request(transport: Transport, url: URL, first: URL, signal: AbortSignal): Promise<TransportResponse> {
  const isNamed = url.hostname === first.hostname;
  const authorized = isNamed && first.username !== '';
  return transport({
    url,
    headers: {
      'user-agent': 'gantry',
      connection: 'close',
      ...(authorized ? { authorization: basicLogin(first) } : {}),
    },
    trust: { insecure: false, ownNetwork: isNamed },
    signal,
  });
}

function basicLogin({ username, password }: URL): string {
  try {
    const login = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
    return `Basic ${Buffer.from(login).toString('base64')}`;
  } catch (error) {
    throw invalid('the URL has a malformed user or password', error);
  }
}

function redirectOf({ url, status, headers }: TransportResponse): URL | undefined {
  const { location } = headers;
  if (location === undefined || ![301, 302, 303, 307, 308].includes(status)) return undefined;
  const target = URL.parse(location, url);
  if (target === null) throw invalid(`${shown(url)} redirects to no URL`);
  return target;
}

const codes = new Map([
  [400, 'invalid'],
  [401, 'unauthorized'],
  [403, 'forbidden'],
] as const);

function accepted(response: TransportResponse, name: string): Download {
  const { status, statusText, headers, body } = response;
  if (status >= 200 && status < 300) return { name, length: Number(headers['content-length'] ?? 0), body };
  response.discard();
  const message = `failed to GET ${name} with status ${status} ${statusText.slice(0, 100)}`.trimEnd();
  if (status === 404) throw notFound(message);
  throw new EngineError(codes.get(status as 400 | 401 | 403) ?? 'internal', message);
}
