import { createHash, type Hash } from 'node:crypto';
import { BufferGarbage } from '../../base/buffer-garbage.ts';
import { EngineError, invalid } from '../../base/errors.ts';
import { Turns } from '../../base/turns.ts';
import type { Metadata } from '../grpc/client.ts';
import { asEngineError } from '../grpc/status.ts';
import type { Contexts } from '../context/contexts.ts';
import { addExtent, type Extent, type Pack } from '../context/pack.ts';
import { type ContextTree, holdTree, releaseTree } from '../context/tree.ts';
import type { Session } from '../session/session.ts';
import { decode } from '../wire/decode.ts';
import { encode } from '../wire/encode.ts';
import type { Message } from '../wire/message.ts';
import { packet, packetTypes } from '../wire/session.ts';
import { FileList } from './file-list.ts';
import { encodeMetadata } from './metadata.ts';

export const diffCopy = '/moby.filesync.v1.FileSync/DiffCopy';

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
 * content of those files that are asked for). Files that look as in the session's earlier builds are not sent again; of a
 * folder in which nothing has changed the tree is the one before. Gives a tree that the caller holds. @throws EngineError
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
    const receiver = new Receiver(pack, new FileList(before, contexts.mostBytes), send, options.progress);
    const turns = new Turns();
    const garbage = new BufferGarbage();
    try {
      for await (const batch of call.batches) {
        for (const message of batch) {
          await receiver.take(message);
          garbage.add(message.length);
          // One batch may tell of thousands of files.
          if (turns.isOver) await turns.next();
        }
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
  /** What is not yet in the pack, so that files that come at the same time lie in few pieces. */
  room: Buffer | undefined;
  waiting: number;
  size: number;
}

const pieceBytes = 256 << 10;
/** Clients send some files at a time; of more each part goes into the pack as it comes. */
const mostRooms = 8;

class Receiver {
  readonly #pack: Pack;
  readonly #send: (message: { type: number; id?: number }) => void;
  readonly #progress: (bytes: number) => void;
  readonly #list: FileList;
  readonly #pending = new Map<number, Pending>();
  readonly #rooms: Buffer[] = [];
  #roomCount = 0;
  #bytes = 0;
  #listed = false;
  /** We have said that we have all. */
  #ended = false;
  /** The client has answered that. */
  isOver = false;

  constructor(
    pack: Pack,
    list: FileList,
    send: (message: { type: number; id?: number }) => void,
    progress: (bytes: number) => void,
  ) {
    this.#pack = pack;
    this.#list = list;
    this.#send = send;
    this.#progress = progress;
  }

  /** The next message, which is only valid until this resolves. */
  take(bytes: Uint8Array): Promise<void> | undefined {
    if (!this.#listed && this.#list.takeUnchanged(bytes)) return undefined;
    const message = decode(packet, bytes);
    switch (message.type) {
      case packetTypes.stat:
        this.#takeStat(message.stat, bytes);
        return undefined;
      case packetTypes.data:
        return this.#takeData(message.id, message.data);
      case packetTypes.end:
        this.isOver = true;
        return undefined;
      case packetTypes.error:
        throw new EngineError('internal', `error from sender: ${Buffer.from(message.data).toString('utf8')}`);
      default:
        throw invalid(`the client sent a packet of the unknown type ${message.type}`);
    }
  }

  finish(): ContextTree {
    if (!this.#ended || !this.isOver)
      throw new EngineError('cancelled', 'the client stopped sending the build context');
    return this.#list.finish();
  }

  #endWhenComplete(): void {
    if (!this.#listed || this.#ended || this.#pending.size > 0) return;
    this.#ended = true;
    this.#send({ type: packetTypes.end });
  }

  #takeStat(stat: Packet['stat'], bytes: Uint8Array): void {
    if (stat === undefined) {
      this.#listed = true;
      this.#list.end();
      this.#endWhenComplete();
      return;
    }
    if (this.#listed) throw invalid('the client lists files after the end of its list');
    const wanted = this.#list.take(stat, bytes);
    if (wanted === undefined) return;
    const { id, path } = wanted;
    const hash = createHash('sha256');
    this.#pending.set(id, { path, hash, extents: [], room: undefined, waiting: 0, size: 0 });
    this.#send({ type: packetTypes.request, id });
  }

  async #takeData(id: number, data: Uint8Array): Promise<void> {
    const pending = this.#pending.get(id);
    if (pending === undefined) throw invalid(`the client sent content that nobody asked for (${id})`);
    if (data.length === 0) {
      await this.#flush(pending);
      this.#pending.delete(id);
      const { size, extents, hash } = pending;
      this.#list.fill(pending.path, { size, extents, sha256: hash.digest('hex') });
      this.#endWhenComplete();
      return;
    }
    pending.hash.update(data);
    pending.size += data.length;
    this.#bytes += data.length;
    this.#progress(this.#bytes);
    if (pending.waiting + data.length > pieceBytes) await this.#flush(pending);
    const room = data.length < pieceBytes ? this.#roomOf(pending) : undefined;
    if (room === undefined) {
      addExtent(pending.extents, await this.#pack.append(data));
    } else {
      room.set(data, pending.waiting);
      pending.waiting += data.length;
    }
  }

  #roomOf(pending: Pending): Buffer | undefined {
    pending.room ??= this.#rooms.pop();
    if (pending.room === undefined && this.#roomCount < mostRooms) {
      this.#roomCount++;
      pending.room = Buffer.allocUnsafeSlow(pieceBytes);
    }
    return pending.room;
  }

  async #flush(pending: Pending): Promise<void> {
    const { room, waiting } = pending;
    if (room === undefined) return;
    if (waiting > 0) addExtent(pending.extents, await this.#pack.append(room.subarray(0, waiting)));
    pending.waiting = 0;
    pending.room = undefined;
    this.#rooms.push(room);
  }
}
