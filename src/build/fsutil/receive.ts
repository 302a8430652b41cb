import { createHash, type Hash } from 'node:crypto';
import { EngineError, invalid } from '../../base/errors.ts';
import type { Metadata } from '../grpc/client.ts';
import { asEngineError } from '../grpc/status.ts';
import type { Contexts } from '../context/contexts.ts';
import type { Extent, Pack } from '../context/pack.ts';
import {
  type ContextEntry,
  type ContextTree,
  type FileContent,
  holdTree,
  releaseTree,
  TreeBuilder,
} from '../context/tree.ts';
import type { Session } from '../session/session.ts';
import { decode } from '../wire/decode.ts';
import { encode } from '../wire/encode.ts';
import type { Message } from '../wire/message.ts';
import { packet, packetTypes } from '../wire/session.ts';
import { encodeMetadata } from './metadata.ts';
import { permissionsOfGoMode, typeOfGoMode } from './modes.ts';

const diffCopy = '/moby.filesync.v1.FileSync/DiffCopy';

export interface ReceiveOptions {
  /** The client's name for the folder: `context`, `dockerfile`, or a named context. */
  readonly name: string;
  /** Patterns of what is sent; all when empty. */
  readonly includes?: readonly string[];
  readonly excludes?: readonly string[];
  /** Paths, patterns among them, of which also what their links mean is sent. */
  readonly followPaths?: readonly string[];
  /** Told now and then of the bytes that came so far. */
  readonly progress: (bytes: number) => void;
  readonly signal: AbortSignal;
}

/**
 * Gets a folder of the client (fsutil's protocol, send.go and receive.go: the client lists what there is, and sends the
 * content of those files that are asked for). Files that look as in the session's earlier builds are not sent again. Gives
 * a tree that the caller holds. @throws EngineError
 */
export async function receiveFolder(
  session: Session,
  contexts: Contexts,
  options: ReceiveOptions,
): Promise<ContextTree> {
  if (!session.methods.has(diffCopy)) throw invalid('no local sources enabled');
  const { name, includes = [], excludes = [], followPaths = [], signal } = options;
  const key = JSON.stringify([name, session.sharedKey || session.id, includes, followPaths]);
  const before = contexts.latest(key);
  const pack = await contexts.newPack();
  const metadata: Metadata = {
    ...encodeMetadata('dir-name', [name]),
    ...encodeMetadata('include-patterns', includes),
    ...encodeMetadata('exclude-patterns', excludes),
    ...encodeMetadata('followpaths', followPaths),
  };
  try {
    const call = session.client.call(diffCopy, { metadata, signal });
    const send = (message: { type: number; id?: number }): void => void call.send(encode(packet, message));
    const receiver = new Receiver(pack, before, send, options.progress, contexts.mostBytes);
    try {
      for await (const message of call.messages) {
        await receiver.take(decode(packet, message));
        if (receiver.isOver) call.end();
      }
    } catch (error) {
      call.cancel();
      throw asEngineError(error);
    }
    await pack.flush();
    const tree = receiver.finish();
    holdTree(tree);
    await contexts.keep(key, tree);
    return tree;
  } finally {
    await pack.release();
    if (before !== undefined) await releaseTree(before);
  }
}

type Packet = Message<typeof packet>;

/** A file whose content is on its way. */
interface Pending {
  readonly path: string;
  readonly hash: Hash;
  readonly extents: Extent[];
  /** Not yet in the pack, so that files that come at the same time lie in few pieces. */
  waiting: Uint8Array[];
  waitingBytes: number;
  size: number;
}

const pieceBytes = 256 << 10;

class Receiver {
  readonly #pack: Pack;
  readonly #before: ContextTree | undefined;
  readonly #send: (message: { type: number; id?: number }) => void;
  readonly #progress: (bytes: number) => void;
  readonly #builder: TreeBuilder;
  readonly #pending = new Map<number, Pending>();
  #serial = 0;
  #bytes = 0;
  #listed = false;
  /** We have said that we have all. */
  #ended = false;
  /** The client has answered that. */
  isOver = false;

  constructor(
    pack: Pack,
    before: ContextTree | undefined,
    send: (message: { type: number; id?: number }) => void,
    progress: (bytes: number) => void,
    mostBytes: number,
  ) {
    this.#builder = new TreeBuilder(mostBytes);
    this.#pack = pack;
    this.#before = before;
    this.#send = send;
    this.#progress = progress;
  }

  async take(message: Packet): Promise<void> {
    switch (message.type) {
      case packetTypes.stat:
        if (message.stat === undefined) this.#listed = true;
        else this.#list(message.stat);
        break;
      case packetTypes.data:
        await this.#data(message.id, message.data);
        break;
      case packetTypes.end:
        this.isOver = true;
        break;
      case packetTypes.error:
        throw new EngineError('internal', `error from sender: ${Buffer.from(message.data).toString('utf8')}`);
      default:
        throw invalid(`the client sent a packet of the unknown type ${message.type}`);
    }
    this.#endWhenComplete();
  }

  finish(): ContextTree {
    if (!this.#ended || !this.isOver)
      throw new EngineError('cancelled', 'the client stopped sending the build context');
    const entries = this.#builder.finish();
    const packs = new Set<Pack>();
    for (const { content } of entries.values()) for (const { pack } of content?.extents ?? []) packs.add(pack);
    return { entries, packs };
  }

  #endWhenComplete(): void {
    if (!this.#listed || this.#ended || this.#pending.size > 0) return;
    this.#ended = true;
    this.#send({ type: packetTypes.end });
  }

  #list(stat: NonNullable<Packet['stat']>): void {
    if (this.#listed) throw invalid('the client lists files after the end of its list');
    const id = this.#serial++;
    const kind = typeOfGoMode(stat.mode);
    // Sockets mean nothing to anybody but the process behind them.
    if (kind === undefined) return;
    const isLink = kind === 'file' && stat.linkname !== '';
    const entry: ContextEntry = {
      path: stat.path,
      type: isLink ? 'hardlink' : kind,
      mode: permissionsOfGoMode(stat.mode),
      uid: stat.uid,
      gid: stat.gid,
      mtimeNs: stat.modTime,
      linkName: stat.linkname,
      major: stat.devmajor,
      minor: stat.devminor,
      size: kind === 'file' ? stat.size : 0,
    };
    const known = kind === 'file' && !isLink ? this.#known(entry) : undefined;
    this.#builder.add(known === undefined ? entry : { ...entry, content: known });
    if (kind !== 'file' || isLink || known !== undefined) return;
    this.#pending.set(id, {
      path: stat.path,
      hash: createHash('sha256'),
      extents: [],
      waiting: [],
      waitingBytes: 0,
      size: 0,
    });
    this.#send({ type: packetTypes.request, id });
  }

  /** What an earlier build got of a file that looks the same. */
  #known(entry: ContextEntry): FileContent | undefined {
    const before = this.#before?.entries.get(entry.path);
    const isSame =
      before?.type === 'file' &&
      before.size === entry.size &&
      before.content?.size === entry.size &&
      before.mtimeNs === entry.mtimeNs &&
      before.mode === entry.mode;
    return isSame ? before.content : undefined;
  }

  async #data(id: number, data: Uint8Array): Promise<void> {
    const pending = this.#pending.get(id);
    if (pending === undefined) throw invalid(`the client sent content that nobody asked for (${id})`);
    if (data.length === 0) {
      await this.#flush(pending);
      this.#pending.delete(id);
      const { size, extents, hash } = pending;
      this.#builder.fill(pending.path, { size, extents, sha256: hash.digest('hex') });
      return;
    }
    pending.hash.update(data);
    pending.size += data.length;
    pending.waiting.push(data);
    pending.waitingBytes += data.length;
    this.#bytes += data.length;
    this.#progress(this.#bytes);
    if (pending.waitingBytes >= pieceBytes) await this.#flush(pending);
  }

  async #flush(pending: Pending): Promise<void> {
    const pieces = pending.waiting;
    pending.waiting = [];
    pending.waitingBytes = 0;
    for (const piece of pieces) {
      const extent = await this.#pack.append(piece);
      const last = pending.extents.at(-1);
      if (last !== undefined && last.offset + last.length === extent.offset) {
        pending.extents[pending.extents.length - 1] = { ...last, length: last.length + extent.length };
      } else pending.extents.push(extent);
    }
  }
}
