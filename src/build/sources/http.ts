import { createHash } from 'node:crypto';
import { EngineError, invalid, messageOf } from '../../base/errors.ts';
import { goQuote } from '../../base/text/quote.ts';
import type { ByteStream } from '../../base/stream.ts';
import type { Contexts } from '../context/contexts.ts';
import { type Extent, type Pack } from '../context/pack.ts';
import { type ContextEntry, type ContextTree, holdTree, impliedDirectory, releaseTree } from '../context/tree.ts';
import { bytesOf } from '../solve/source.ts';

/** Of one file; what does not fit on the disk ends earlier. */
const mostBytes = 2 ** 38;
/** A server that says nothing for so long is given up. */
const patienceMs = 60_000;
/** As Docker gives files of addresses. */
const fileMode = 0o600;

export interface HttpRequest {
  readonly url: string;
  /** What the file is called. */
  readonly filename: string;
  /** `sha256:` and hex; the file must have it. */
  readonly checksum?: string;
  readonly progress: (bytes: number, total: number) => void;
  readonly signal: AbortSignal;
}

/** What a server told of a file, so that it can be asked whether that is another one now. */
interface Validators {
  readonly etag: string;
  readonly lastModified: string;
}

/** Files by their addresses; those that have not changed since an earlier build are not fetched again. */
export class HttpFiles {
  readonly #contexts: Contexts;
  readonly #validators = new Map<string, Validators>();

  constructor(contexts: Contexts) {
    this.#contexts = contexts;
  }

  /** The file as the only one of a tree, which the caller holds. @throws EngineError: not-found, invalid, unavailable, cancelled */
  async fetch(request: HttpRequest): Promise<ContextTree> {
    const { url, filename, checksum, signal } = request;
    const key = `http ${JSON.stringify([url, filename])}`;
    const before = this.#contexts.latest(key);
    if (before !== undefined && checksum === digestIn(before)) return before;
    try {
      const known = before === undefined ? undefined : this.#validators.get(key);
      const response = await ask(url, known, signal);
      if (response.status === 304 && before !== undefined) {
        await response.body?.cancel();
        checkDigest(checksum, digestIn(before));
        holdTree(before);
        return before;
      }
      const pack = await this.#contexts.newPack();
      try {
        const tree = await received(pack, response, request);
        checkDigest(checksum, digestIn(tree));
        pack.hold();
        await this.#contexts.keep(key, tree);
        const { headers } = response;
        const validators = { etag: headers.get('etag') ?? '', lastModified: headers.get('last-modified') ?? '' };
        this.#validators.set(key, validators);
        for (const oldest of this.#validators.keys()) {
          if (this.#validators.size <= mostValidators) break;
          this.#validators.delete(oldest);
        }
        return tree;
      } finally {
        await pack.release();
      }
    } finally {
      if (before !== undefined) await releaseTree(before);
    }
  }
}

const mostValidators = 1000;

/** The bytes behind an address. @throws EngineError */
export async function* download(url: string, signal: AbortSignal): ByteStream & AsyncGenerator<Uint8Array> {
  yield* bodyOf(await ask(url, undefined, signal), signal);
}

async function ask(url: string, known: Validators | undefined, signal: AbortSignal): Promise<Response> {
  if (!URL.canParse(url)) throw invalid(`invalid address ${goQuote(url)}`);
  const headers: Record<string, string> = { 'accept-encoding': 'identity', 'user-agent': 'gantry' };
  if (known?.etag !== undefined && known.etag !== '') headers['if-none-match'] = known.etag;
  else if (known !== undefined && known.lastModified !== '') headers['if-modified-since'] = known.lastModified;
  const patience = AbortSignal.timeout(patienceMs);
  let response: Response;
  try {
    response = await fetch(url, { headers, signal: AbortSignal.any([signal, patience]) });
  } catch (error) {
    if (signal.aborted) throw new EngineError('cancelled', 'context canceled');
    const { cause } = error as { cause?: unknown };
    throw new EngineError('unavailable', `cannot fetch ${shownUrl(url)}: ${messageOf(cause ?? error)}`, {
      cause: error,
    });
  }
  if (response.ok || response.status === 304) return response;
  await response.body?.cancel();
  const code = response.status === 404 ? 'not-found' : 'unavailable';
  throw new EngineError(code, `invalid response status ${response.status} for ${shownUrl(url)}`);
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

/** Whoever is silent for too long has ended, in the middle of a file as well. */
async function* bodyOf({ body, url }: Response, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  if (body === null) return;
  const reader = body.getReader();
  try {
    for (;;) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const silence = new Promise<never>((_resolve, reject) => {
        timer = setTimeout(() => reject(new Error(`nothing came for ${patienceMs / 1000} s`)), patienceMs);
      });
      const next = await Promise.race([reader.read(), silence]).finally(() => clearTimeout(timer));
      if (next.done) return;
      yield next.value;
    }
  } catch (error) {
    if (signal.aborted) throw new EngineError('cancelled', 'context canceled');
    throw new EngineError('unavailable', `cannot fetch ${shownUrl(url)}: ${messageOf(error)}`, { cause: error });
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

async function received(pack: Pack, response: Response, request: HttpRequest): Promise<ContextTree> {
  const { filename, progress, signal } = request;
  const total = Number(response.headers.get('content-length') ?? 0);
  const extents: Extent[] = [];
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of bodyOf(response, signal)) {
    size += chunk.length;
    if (size > mostBytes) throw invalid(`${shownUrl(request.url)} is larger than ${mostBytes} bytes`);
    hash.update(chunk);
    const extent = await pack.append(chunk);
    const last = extents.at(-1);
    if (last !== undefined && last.offset + last.length === extent.offset) {
      extents[extents.length - 1] = { ...last, length: last.length + extent.length };
    } else extents.push(extent);
    progress(size, total);
  }
  await pack.flush();
  const modified = Date.parse(response.headers.get('last-modified') ?? '');
  const path = bytesOf(filename);
  const entry: ContextEntry = {
    ...impliedDirectory,
    path,
    type: 'file',
    mode: fileMode,
    mtimeNs: Number.isNaN(modified) ? 0n : BigInt(modified) * 1_000_000n,
    size,
    content: { size, extents, sha256: hash.digest('hex') },
  };
  return { entries: new Map([[path, entry]]), packs: new Set([pack]) };
}

const digestIn = ({ entries }: ContextTree): string => {
  const [entry] = entries.values();
  return `sha256:${entry?.content?.sha256 ?? ''}`;
};

function checkDigest(wanted: string | undefined, found: string): void {
  if (wanted === undefined) return;
  if (!wanted.startsWith('sha256:')) throw invalid(`checksum ${wanted}: only sha256 is supported`);
  if (wanted !== found) throw invalid(`digest mismatch ${found}: ${wanted}`);
}
