import { hash } from 'node:crypto';
import { decompress } from '../archive/compress/decompress.ts';
import { defaultTarLimits, quoteName, type TarEntry } from '../archive/tar/entry.ts';
import { readTar, type TarMember } from '../archive/tar/read.ts';
import { EngineError, invalid } from '../base/errors.ts';
import { type Digest, type DiffId, digestOfHex, isHex64 } from '../base/ids.ts';
import { type ByteStream, readAll } from '../base/stream.ts';
import { largestDocument } from '../spec/oci/json.ts';
import type { GrowingFile } from '../store/blobs/growing.ts';
import { asLayer } from './as-layer.ts';
import type { ContentOperation } from './content.ts';
import type { StoredBlob } from './ports.ts';

/** A large member of an archive, in the store as a blob, and on its way to become a layer. */
export interface ArchiveBlob {
  readonly digest: Digest;
  readonly size: number;
  /** Settles when the blob was unpacked; rejects when it is no good layer. Only who needs the layer has to know. */
  readonly unpacked: Promise<DiffId>;
}

/** What an image archive holds, read in one pass. */
export interface ImageArchive {
  /** JSON documents and other small members by path. */
  readonly documents: ReadonlyMap<string, Uint8Array>;
  readonly blobs: ReadonlyMap<string, ArchiveBlob>;
  /** Links inside the archive, by path, with the path they lead to. */
  readonly links: ReadonlyMap<string, string>;
}

/** Makes layers, a few at a time, beside the reading of the archive. `size` is the blob's. */
export interface Unpacker {
  /** Out of a blob in the store; each only once. */
  ofBlob(digest: Digest, size: number): Promise<DiffId>;
  /** Out of one that is just coming in; progress messages call it `label`. */
  ofGrowing(file: GrowingFile, size: number, label: string): Promise<DiffId>;
}

const mostMembers = 50_000;
/** Members without content come many to a piece of the stream: after so many the event loop has its turn. */
const membersATurn = 128;
const nothing = new Uint8Array();
const mostDocumentBytes = 64 * 1024 * 1024;
/** Far above any real archive: what gzip makes out of a small upload must end somewhere. */
const mostBytes = 1024 ** 4;
const blobFolder = 'blobs/sha256/';

/**
 * Reads a docker archive or OCI layout (plain or compressed) from its first byte to its last, whatever the order of
 * its members: large ones go to the blob store while they pass, and begin to be unpacked at once; small ones that
 * look like JSON stay in memory until the index, which often comes last, tells what they are.
 * Nothing of the archive is ever created under a name it chose. @throws EngineError invalid, corrupt, no-space
 */
export async function readImageArchive(
  body: ByteStream,
  content: ContentOperation,
  unpacker: Unpacker,
  signal: AbortSignal,
): Promise<ImageArchive> {
  const documents = new Map<string, Uint8Array>();
  const blobs = new Map<string, ArchiveBlob>();
  const links = new Map<string, string>();
  let documentBytes = 0;
  let members = 0;
  for await (const member of membersOf(body, signal)) {
    if (++members % membersATurn === 0) await new Promise((resolve) => setImmediate(resolve));
    signal.throwIfAborted();
    const path = memberPath(member.entry);
    if (path === undefined) continue;
    // As in a file system, a later member of the same name takes the place of an earlier one.
    documents.delete(path);
    blobs.delete(path);
    links.delete(path);
    if (member.entry.type !== 'file') {
      links.set(path, linkTarget(path, member.entry));
      continue;
    }
    const { start, rest } = await firstChunk(member);
    if (isDocument(path, member.entry.size, start)) {
      const bytes = await readAll(rest, largestDocument, path);
      documentBytes += bytes.length;
      if (documentBytes > mostDocumentBytes) throw invalid('image archive: too many small files');
      checkPathDigest(path, bytes);
      documents.set(path, bytes);
    } else {
      blobs.set(path, await storeMember({ content, unpacker, signal }, path, member.entry.size, rest));
    }
  }
  return { documents, blobs, links };
}

async function* membersOf(body: ByteStream, signal: AbortSignal): AsyncGenerator<TarMember> {
  const tar = decompress(body, { maxBytes: mostBytes, what: 'image archive', signal });
  try {
    yield* readTar(tar, { ...defaultTarLimits, entries: mostMembers });
  } catch (error) {
    if (!(error instanceof EngineError) || !error.message.startsWith('tar: ')) throw error;
    throw new EngineError(error.code, `not a valid image archive: ${error.message}`, { cause: error });
  }
}

/** The path of a member relative to the archive's root; undefined for directories. @throws EngineError `invalid` */
function memberPath(entry: TarEntry): string | undefined {
  const name = quoteName(entry.name);
  if (entry.type === 'char' || entry.type === 'block' || entry.type === 'fifo') {
    throw invalid(`image archive: ${name} is a device or pipe`);
  }
  if (entry.name.startsWith('/')) throw invalid(`image archive: ${name} is an absolute path`);
  const parts = entry.name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw invalid(`image archive: ${name} leads out of the archive`);
  return entry.type === 'directory' || parts.length === 0 ? undefined : parts.join('/');
}

/** Where a link leads, by the rules of the archive alone. @throws EngineError `invalid` for a way out */
function linkTarget(path: string, entry: TarEntry): string {
  const out = () => invalid(`image archive: the link ${quoteName(entry.name)} leads out of the archive`);
  if (entry.linkName.startsWith('/')) throw out();
  // A hard link names its target from the root, a symbolic one from where it is.
  const parts = entry.type === 'hardlink' ? [] : path.split('/').slice(0, -1);
  for (const part of entry.linkName.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') parts.push(part);
    else if (parts.pop() === undefined) throw out();
  }
  return parts.join('/');
}

/** Follows links to what they mean. @throws EngineError `invalid` when they go round in circles */
export function followLinks(archive: ImageArchive, path: string): string {
  let at = path;
  for (let steps = 0; steps < 40; steps++) {
    const next = archive.links.get(at);
    if (next === undefined) return at;
    at = next;
  }
  throw invalid(`image archive: the links from ${JSON.stringify(path.slice(0, 200))} lead in a circle`);
}

async function firstChunk({ body }: TarMember): Promise<{ start: Uint8Array; rest: ByteStream }> {
  const chunks = body[Symbol.asyncIterator]();
  const first = await chunks.next();
  const start = first.done === true ? nothing : first.value;
  async function* rest(): AsyncGenerator<Uint8Array> {
    if (start.length > 0) yield start;
    for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) yield next.value;
  }
  return { start, rest: rest() };
}

/** JSON begins with a bracket; `VERSION` and the like of old archives are small as well. */
function isDocument(path: string, size: number, start: Uint8Array): boolean {
  if (size > largestDocument) return false;
  const first = start.find((byte) => byte !== 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d);
  if (first === 0x7b || first === 0x5b) return true;
  return !path.startsWith(blobFolder) && !path.endsWith('.tar') && !path.includes('.tar.');
}

/** The digest that a member's path promises. */
function promisedDigest(path: string): Digest | undefined {
  if (!path.startsWith(blobFolder)) return undefined;
  const hex = path.slice(blobFolder.length);
  if (!isHex64(hex)) throw invalid(`image archive: ${JSON.stringify(path.slice(0, 200))} is no digest`);
  return digestOfHex(hex);
}

function checkPathDigest(path: string, bytes: Uint8Array): void {
  const promised = promisedDigest(path);
  if (promised === undefined) return;
  const actual = digestOfHex(hash('sha256', bytes, 'hex'));
  if (actual !== promised) throw new EngineError('corrupt', `image archive: ${path} has the digest ${actual}`);
}

interface MemberStore {
  readonly content: ContentOperation;
  readonly unpacker: Unpacker;
  readonly signal: AbortSignal;
}

async function storeMember(
  { content, unpacker, signal }: MemberStore,
  path: string,
  size: number,
  body: ByteStream,
): Promise<ArchiveBlob> {
  let unpacked: Promise<DiffId> | undefined;
  const begin = (bytes: number) => (file: GrowingFile) => {
    unpacked = ignoringFailure(unpacker.ofGrowing(file, bytes, labelOf(path)));
  };
  const digest = promisedDigest(path);
  const write = async (): Promise<StoredBlob> => {
    // A blob that is there already was verified when it came: these bytes are passed over.
    if (digest !== undefined) return content.writeBlob((from) => skipBytes(body, from), { digest, size }, begin(size));
    const { bytes, unchanged } = await asLayer(content, body, `image archive: ${path}`, signal);
    if (unchanged) return content.writeBlob(() => bytes, { size }, begin(size));
    return content.writeBlob(() => bytes, {}, begin(0));
  };
  const blob = await write();
  return { ...blob, unpacked: unpacked ?? ignoringFailure(unpacker.ofBlob(blob.digest, blob.size)) };
}

/** What a layer is called while its digest is not known: the first folder or file name, which is an id in most archives. */
const labelOf = (path: string): string =>
  (path.startsWith(blobFolder) ? path.slice(blobFolder.length) : (path.split('/', 1)[0] ?? '')).slice(0, 12);

/** Who needs the layer will see the failure; perhaps nobody does. */
function ignoringFailure<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}

/** A stream without its first bytes. */
async function* skipBytes(source: ByteStream, count: number): ByteStream {
  let skip = count;
  for await (const chunk of source) {
    if (chunk.length > skip) yield skip === 0 ? chunk : chunk.subarray(skip);
    skip = Math.max(0, skip - chunk.length);
  }
}
