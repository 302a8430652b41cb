import { decompress } from '../../archive/compress/decompress.ts';
import { EngineError, invalid, messageOf } from '../../base/errors.ts';
import type { ByteStream } from '../../base/stream.ts';
import { goQuote } from '../../base/text/quote.ts';
import type { Download, DownloadResponse } from '../../spec/contract/build.ts';
import type { Secrets } from '../solve/scope.ts';

/** Of one file; what does not fit on the disk ends earlier. */
const mostBytes = 2 ** 38;
/** As Go's clients follow them. */
const mostRedirects = 10;

/** An address that a build names, and what is said with it. */
export interface DownloadWish {
  readonly url: string;
  /** Of a request that asks whether something has changed. */
  readonly validators?: Readonly<Record<string, string>>;
  readonly secrets: Secrets;
  readonly signal: AbortSignal;
}

/** What is behind an address. */
export interface Downloaded {
  /** Undefined: it has not changed. */
  readonly body: ByteStream | undefined;
  /** 0 when it is not known. */
  readonly size: number;
  readonly header: (name: string) => string;
  /** In place of reading the body. */
  readonly discard: () => void;
}

/**
 * Asks for what is behind an address. Redirects are followed; a login goes with them only as long as they stay at its host
 * and do not leave TLS. A transfer that is compressed (gzip) is taken apart. @throws EngineError: invalid, not-found, unavailable, cancelled
 */
export async function download(ask: Download, wish: DownloadWish): Promise<Downloaded> {
  const { signal, validators = {} } = wish;
  const named = URL.parse(wish.url);
  if (named === null || !isHttp(named))
    throw invalid(`invalid address ${goQuote(wish.url)}: expected http:// or https://`);
  const login = (await loginOf(wish.secrets, named, signal)) ?? basicOf(named);
  const plain = { 'accept-encoding': 'gzip', 'user-agent': 'gantry', ...validators };
  let url = bare(named);
  for (let followed = 0; followed <= mostRedirects; followed++) {
    const headers = login !== undefined && mayHaveLogin(named, url) ? { ...plain, authorization: login } : plain;
    const response = await ask({ url, named, headers, signal }).catch((error: unknown) => {
      throw failureOf(wish.url, error);
    });
    const location = headerOf(response, 'location');
    if (!redirects.has(response.status) || location === '') return answered(wish.url, response);
    response.discard();
    const next = URL.parse(location, url);
    if (next === null || !isHttp(next)) {
      throw new EngineError('unavailable', `${shownUrl(wish.url)} leads to something that is no http or https address`);
    }
    url = bare(next);
  }
  throw new EngineError('unavailable', `${shownUrl(wish.url)}: stopped after ${mostRedirects} redirects`);
}

const redirects = new Set([301, 302, 303, 307, 308]);
const isHttp = ({ protocol }: URL): boolean => protocol === 'http:' || protocol === 'https:';

/** Without a login, which no request has in its address, and without what stays with the client. */
function bare(url: URL): URL {
  const plain = new URL(url);
  plain.username = '';
  plain.password = '';
  plain.hash = '';
  return plain;
}

const mayHaveLogin = (named: URL, url: URL): boolean =>
  url.hostname === named.hostname && (named.protocol === 'http:' || url.protocol === 'https:');

/** The client's login for the host, a secret as BuildKit's clients name it. */
async function loginOf(secrets: Secrets, { hostname }: URL, signal: AbortSignal): Promise<string | undefined> {
  const host = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
  const token = await secrets(`HTTP_AUTH_TOKEN_${host}`, signal);
  if (token !== undefined) return `Bearer ${oneLine(token)}`;
  const header = await secrets(`HTTP_AUTH_HEADER_${host}`, signal);
  return header === undefined ? undefined : oneLine(header);
}

function basicOf({ username, password }: URL): string | undefined {
  if (username === '' && password === '') return undefined;
  const pair = [username, password].map(decoded).join(':');
  return `Basic ${Buffer.from(pair).toString('base64')}`;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** A secret as the value of a header: a line feed would begin another one. */
export const oneLine = (secret: Uint8Array): string =>
  Buffer.from(secret)
    .toString()
    .trim()
    .replaceAll(/[\r\n\0]/g, '');

function headerOf({ headers }: DownloadResponse, name: string): string {
  const value = headers[name];
  return typeof value === 'string' ? value : (value?.[0] ?? '');
}

function answered(address: string, response: DownloadResponse): Downloaded {
  const { status, body } = response;
  const discard = (): void => response.discard();
  const header = (name: string): string => headerOf(response, name);
  const isUnchanged = status === 304;
  if (!isUnchanged && (status < 200 || status > 299)) {
    discard();
    const code = status === 404 ? 'not-found' : 'unavailable';
    throw new EngineError(code, `invalid response status ${status} for ${shownUrl(address)}`);
  }
  const isCompressed = /^x?-?gzip$/i.test(header('content-encoding'));
  const size = isCompressed ? 0 : Number(header('content-length'));
  return {
    body: isUnchanged ? undefined : bodyOf(address, body, isCompressed),
    size: Number.isSafeInteger(size) ? size : 0,
    header,
    discard,
  };
}

async function* bodyOf(address: string, body: ByteStream, isCompressed: boolean): AsyncGenerator<Uint8Array> {
  const what = shownUrl(address);
  let size = 0;
  try {
    for await (const chunk of isCompressed ? decompress(body, { maxBytes: mostBytes, what }) : body) {
      size += chunk.length;
      if (size > mostBytes) throw invalid(`${what} is larger than ${mostBytes} bytes`);
      yield chunk;
    }
  } catch (error) {
    throw failureOf(address, error);
  }
}

function failureOf(address: string, error: unknown): unknown {
  if (error instanceof EngineError && error.code !== 'unavailable') return error;
  return new EngineError('unavailable', `cannot fetch ${shownUrl(address)}: ${messageOf(error)}`, { cause: error });
}

/** Without what may be secret: a user's password, and what stands behind the path. */
export function shownUrl(url: string): string {
  try {
    const { protocol, host, pathname } = new URL(url);
    return `${protocol}//${host}${pathname}`;
  } catch {
    return url;
  }
}
