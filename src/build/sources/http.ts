import { createHash } from 'node:crypto';
import { EngineError, invalid } from '../../base/errors.ts';
import type { ByteStream } from '../../base/stream.ts';
import { dropOldest } from '../../base/oldest.ts';
import type { Download } from '../../spec/contract/build.ts';
import type { Contexts } from '../context/contexts.ts';
import { addExtent, type Extent, type Pack, readExtents } from '../context/pack.ts';
import { type ContextEntry, type ContextTree, holdTree, impliedDirectory, releaseTree } from '../context/tree.ts';
import { bytesOf } from '../solve/source.ts';
import type { Secrets } from '../solve/scope.ts';
import { digestLike } from './checksum.ts';
import { download, type Downloaded } from './download.ts';

/** As Docker gives files of addresses. */
const fileMode = 0o600;

export interface HttpRequest {
  readonly url: string;
  /** What the file is called. */
  readonly filename: string;
  /** The digest that the file must have (`isChecksum`). */
  readonly checksum?: string;
  readonly secrets: Secrets;
  readonly progress: (bytes: number, total: number) => void;
  readonly signal: AbortSignal;
}

/** What a server told of a file, so that it can be asked whether that is another one now. */
interface Validators {
  readonly etag: string;
  readonly lastModified: string;
}

const mostValidators = 1000;

/** Files by their addresses; those that have not changed since an earlier build are not fetched again. */
export class HttpFiles {
  readonly #contexts: Contexts;
  readonly #ask: Download;
  readonly #validators = new Map<string, Validators>();

  constructor(contexts: Contexts, ask: Download) {
    this.#contexts = contexts;
    this.#ask = ask;
  }

  /** The file as the only one of a tree, which the caller holds. @throws EngineError: not-found, invalid, unavailable, cancelled */
  async fetch(request: HttpRequest): Promise<ContextTree> {
    const { url, filename, checksum } = request;
    const key = `http ${JSON.stringify([url, filename])}`;
    const before = this.#contexts.latest(key);
    try {
      if (before !== undefined && checksum !== undefined && (await isLike(checksum, before))) {
        holdTree(before);
        return before;
      }
      const tree = await this.#fetch(request, key, before);
      try {
        await checkDigest(checksum, tree);
        await this.#contexts.keep(key, tree);
        return tree;
      } catch (error) {
        await releaseTree(tree);
        throw error;
      }
    } finally {
      if (before !== undefined) await releaseTree(before);
    }
  }

  /** The bytes behind an address, as they come. @throws as `fetch` */
  async *read(url: string, secrets: Secrets, signal: AbortSignal): ByteStream & AsyncGenerator<Uint8Array> {
    const { body } = await download(this.#ask, { url, secrets, signal });
    if (body !== undefined) yield* body;
  }

  /** The tree belongs to the caller. */
  async #fetch(request: HttpRequest, key: string, before: ContextTree | undefined): Promise<ContextTree> {
    const known = before === undefined ? undefined : this.#validators.get(key);
    const { url, secrets, signal } = request;
    const answer = await download(this.#ask, { url, secrets, signal, validators: validatorsOf(known) });
    if (answer.body === undefined) {
      answer.discard();
      if (before === undefined) throw invalid('a server says that nothing has changed, and nothing was there');
      holdTree(before);
      return before;
    }
    const pack = await this.#contexts.newPack();
    try {
      const tree = await received(pack, answer, answer.body, request);
      this.#remember(key, answer);
      pack.hold();
      return tree;
    } finally {
      await pack.release();
    }
  }

  #remember(key: string, { header }: Downloaded): void {
    this.#validators.set(key, { etag: header('etag'), lastModified: header('last-modified') });
    dropOldest(this.#validators, mostValidators);
  }
}

function validatorsOf(known: Validators | undefined): Readonly<Record<string, string>> {
  if (known === undefined) return {};
  if (known.etag !== '') return { 'if-none-match': known.etag };
  return known.lastModified === '' ? {} : { 'if-modified-since': known.lastModified };
}

async function received(
  pack: Pack,
  { size: total, header }: Downloaded,
  body: ByteStream,
  { filename, progress }: HttpRequest,
): Promise<ContextTree> {
  const extents: Extent[] = [];
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    hash.update(chunk);
    addExtent(extents, await pack.append(chunk));
    progress(size, total);
  }
  await pack.flush();
  const modified = Date.parse(header('last-modified'));
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

/** The digest of the file that is the only one in a tree. */
export const sha256In = ({ entries }: ContextTree): string => {
  const [entry] = entries.values();
  return `sha256:${entry?.content?.sha256 ?? ''}`;
};

/** The digest of the file, by the algorithm of a checksum. */
function digestIn(tree: ContextTree, checksum: string): Promise<string> | string {
  if (checksum.startsWith('sha256:')) return sha256In(tree);
  const [entry] = tree.entries.values();
  return digestLike(checksum, readExtents(entry?.content?.extents ?? []));
}

const isLike = async (checksum: string, tree: ContextTree): Promise<boolean> =>
  (await digestIn(tree, checksum)) === checksum;

async function checkDigest(wanted: string | undefined, tree: ContextTree): Promise<void> {
  if (wanted === undefined) return;
  const found = await digestIn(tree, wanted);
  if (wanted !== found) throw new DigestMismatch(found, wanted);
}

/** A file is another one than was wanted. */
export class DigestMismatch extends EngineError {
  readonly found: string;

  constructor(found: string, wanted: string) {
    super('invalid', `digest mismatch ${found}: ${wanted}`);
    this.found = found;
  }
}
