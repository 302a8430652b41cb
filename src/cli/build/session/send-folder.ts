import { decodeMetadata } from '../../../build/fsutil/metadata.ts';
import { goModeOf } from '../../../build/fsutil/modes.ts';
import { PacketWriter, pieceBytes } from '../../../build/fsutil/packet-writer.ts';
import { GrpcError, statusCodes } from '../../../build/grpc/status.ts';
import { PathMatcher } from '../../../build/ignore/matcher.ts';
import { decode } from '../../../build/wire/decode.ts';
import { encode } from '../../../build/wire/encode.ts';
import { packet, packetTypes } from '../../../build/wire/session.ts';
import { followLinks, patternsReach } from './follow.ts';
import { type FolderEntry, type FolderFilter, fs, listFolder, nativePath, pathBytes, pathText } from './folder.ts';
import type { GrpcCall, Method } from './grpc.ts';

/** A folder that the engine may have, or files that lie in none. */
export type SentFolder =
  | { readonly path: string; readonly nestedIgnore: boolean }
  | { readonly files: ReadonlyMap<string, Uint8Array> };

/** FileSync/DiffCopy: lists one of these folders, as far as the engine wants it, and sends the files that it asks for. */
export function sendFolders(folders: ReadonlyMap<string, SentFolder>): Method {
  return async (call) => {
    const [name = ''] = call.metadata.get('dir-name') ?? [];
    const folder = folders.get(name);
    if (folder === undefined)
      throw new GrpcError(statusCodes.notFound, `no access allowed to dir ${JSON.stringify(name)}`);
    const wishes = {
      includes: decodeMetadata('include-patterns', call.metadata),
      excludes: decodeMetadata('exclude-patterns', call.metadata),
      follow: decodeMetadata('followpaths', call.metadata),
    };
    const sender = 'path' in folder ? new DiskSender(call, folder) : new MemorySender(call, folder.files);
    await sender.list(wishes);
    for await (const batch of call.batches) {
      for (const message of batch) {
        const { type, id } = decode(packet, message);
        if (type === packetTypes.request) await sender.send(id);
        if (type === packetTypes.end) {
          await call.send(encode(packet, { type: packetTypes.end }));
          return;
        }
      }
      await sender.flush();
    }
  };
}

interface Wishes {
  readonly includes: readonly string[];
  readonly excludes: readonly string[];
  readonly follow: readonly string[];
}

/** What of a folder is wanted. @throws EngineError `invalid` for a malformed pattern */
export function folderFilter(root: string, { includes, excludes, follow }: Wishes): FolderFilter {
  const patterns = [...includes, ...(follow.length === 0 ? [] : followLinks(root, follow))];
  const exceptions = excludes.filter((pattern) => pattern.startsWith('!')).map((pattern) => pattern.slice(1));
  return {
    include: patterns.length === 0 ? undefined : new PathMatcher(patterns),
    mayHave: patternsReach(patterns),
    exclude: excludes.length === 0 ? undefined : new PathMatcher(excludes),
    mayReturn: patternsReach(exceptions),
  };
}

class DiskSender {
  readonly #call: GrpcCall;
  readonly #root: string;
  readonly #nestedIgnore: boolean;
  readonly #writer = new PacketWriter();
  /** The files by their ids, which are their places in the list. */
  readonly #paths: (string | undefined)[] = [];

  constructor(call: GrpcCall, { path, nestedIgnore }: Extract<SentFolder, { path: string }>) {
    this.#call = call;
    this.#root = path;
    this.#nestedIgnore = nestedIgnore;
  }

  async list(wishes: Wishes): Promise<void> {
    const inodes = new Map<string, string>();
    const filter = { ...folderFilter(this.#root, wishes), nestedIgnore: this.#nestedIgnore };
    for (const entry of listFolder(this.#root, filter)) {
      const first = firstName(inodes, entry);
      this.#paths.push(first === undefined && entry.stat.isFile() ? entry.path : undefined);
      this.#writer.stat(statOf(entry, first));
      if (this.#writer.isFull) await this.flush();
    }
    this.#writer.endOfList();
    await this.flush();
  }

  /** What is written is sent. */
  flush(): Promise<void> {
    return this.#call.sendFramed(this.#writer.take());
  }

  /** Writes the content of a file, and sends it when there is much. @throws GrpcError for a file that nobody was told of */
  async send(id: number): Promise<void> {
    const path = this.#paths[id];
    if (path === undefined) throw new GrpcError(statusCodes.invalid, `invalid file id ${id}`);
    const whole = `${pathBytes(this.#root)}/${path}`;
    const { openSync, readSync, closeSync, constants } = fs();
    let file: number;
    try {
      file = openSync(nativePath(whole), constants.O_RDONLY | constants.O_NOFOLLOW);
    } catch (error) {
      throw new GrpcError(statusCodes.unknown, `failed to send ${pathText(path)}: ${(error as Error).message}`);
    }
    try {
      const read = (buffer: Uint8Array, at: number): number => readSync(file, buffer, at, pieceBytes, null);
      // Regular files give less than was asked for at their end alone.
      let count: number;
      do {
        count = this.#writer.data(id, read);
        if (this.#writer.isFull) await this.flush();
      } while (count === pieceBytes);
      if (count > 0) this.#writer.data(id, () => 0);
    } finally {
      closeSync(file);
    }
  }
}

/** The name under which a file with several names was told of already. */
function firstName(inodes: Map<string, string>, { path, stat }: FolderEntry): string | undefined {
  if (stat.nlink < 2n || !stat.isFile()) return undefined;
  const inode = `${stat.dev}:${stat.ino}`;
  const first = inodes.get(inode);
  if (first === undefined) inodes.set(inode, path);
  return first;
}

/** Who a file belongs to on this machine says nothing in an image: it is root's. */
function statOf({ path, stat, target }: FolderEntry, hardlink: string | undefined) {
  const isFile = stat.isFile();
  return {
    path,
    mode: goModeOf(Number(stat.mode)),
    size: isFile ? Number(stat.size) : 0,
    modTime: stat.mtimeNs,
    linkname: hardlink ?? target,
    devmajor: isFile ? 0 : deviceMajor(stat.rdev),
    devminor: isFile ? 0 : deviceMinor(stat.rdev),
  };
}

const deviceMajor = (device: bigint): number => Number(((device >> 8n) & 0xfffn) | ((device >> 32n) & ~0xfffn));
const deviceMinor = (device: bigint): number => Number((device & 0xffn) | ((device >> 12n) & 0xffff_ff00n));

/** A Dockerfile from standard input lies in no folder. */
class MemorySender {
  readonly #call: GrpcCall;
  readonly #files: readonly (readonly [string, Uint8Array])[];

  constructor(call: GrpcCall, files: ReadonlyMap<string, Uint8Array>) {
    this.#call = call;
    this.#files = [...files].sort(([a], [b]) => (a < b ? -1 : 1));
  }

  async list(_wishes: Wishes): Promise<void> {
    const stats = this.#files.map(([path, { length }]) =>
      encode(packet, { type: packetTypes.stat, stat: { path, mode: 0o644, size: length, modTime: modTimeNow } }),
    );
    await this.#call.send(...stats, encode(packet, { type: packetTypes.stat }));
  }

  async flush(): Promise<void> {}

  async send(id: number): Promise<void> {
    const data = this.#files[id]?.[1] ?? new Uint8Array(0);
    const messages = [encode(packet, { type: packetTypes.data, id })];
    if (data.length > 0) messages.unshift(encode(packet, { type: packetTypes.data, id, data }));
    await this.#call.send(...messages);
  }
}

/** Other contents must not look like those of an earlier build. */
const modTimeNow = BigInt(Date.now()) * 1_000_000n;
