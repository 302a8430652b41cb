import { internal, invalid } from '../../base/errors.ts';
import type { ByteStream } from '../../base/stream.ts';
import type { TarEntry } from '../../archive/tar/entry.ts';
import { asEngineError } from '../grpc/status.ts';
import type { ClientCall } from '../grpc/client.ts';
import { openSend, type SendTarget } from '../session/file-send.ts';
import { decode } from '../wire/decode.ts';
import { encode } from '../wire/encode.ts';
import type { Draft, Message } from '../wire/message.ts';
import { packet, packetTypes } from '../wire/session.ts';
import { goModeOf } from './modes.ts';

/** A file, link or directory that is sent; a hard link names a member before it. */
export interface SentMember {
  readonly entry: TarEntry;
  readonly body: ByteStream;
}

/** Parents before what is in them, names in byte order; the same each time it is asked for. */
export type SentFolder = () => AsyncIterable<SentMember>;

/** Clients ask for all files at once; one that asks for each after the other would have everything read so often. */
const mostPasses = 100;

/**
 * Sends a folder to the client (fsutil's protocol, send.go and receive.go: all files are listed, then the content of those
 * that the client asks for is sent, in any order). @throws EngineError what the client says
 */
export async function sendFolder(
  target: SendTarget,
  folder: SentFolder,
  progress: (bytes: number) => void,
): Promise<void> {
  const call = openSend(target);
  const wishes = new Wishes(call);
  try {
    let listed = 0;
    for await (const { entry } of folder()) {
      await send(call, { type: packetTypes.stat, stat: statOf(entry) });
      listed++;
    }
    await send(call, { type: packetTypes.stat });
    let sent = 0;
    for (let pass = 0; await wishes.some(listed); pass++) {
      if (pass >= mostPasses) throw invalid('the client asks for the files of its folder one after the other');
      for await (const { id, data } of wanted(folder, wishes)) {
        await send(call, { type: packetTypes.data, id, data });
        sent += data.length;
        progress(sent);
      }
    }
    await send(call, { type: packetTypes.end });
    call.end();
    await wishes.over;
  } catch (error) {
    call.cancel();
    throw asEngineError(error);
  }
}

const send = (call: ClientCall, message: Draft<typeof packet>): Promise<void> => call.send(encode(packet, message));

/** The content of the files that are asked for when it is their turn; an empty piece ends each. */
async function* wanted(folder: SentFolder, wishes: Wishes): AsyncGenerator<{ id: number; data: Uint8Array }> {
  let id = 0;
  for await (const { body } of folder()) {
    if (wishes.take(id)) {
      for await (const data of body) if (data.length > 0) yield { id, data };
      yield { id, data: new Uint8Array(0) };
    }
    id++;
  }
}

/** What a client asks for, while the other side of the call is written. */
class Wishes {
  /** Settles when the client has ended the call. */
  readonly over: Promise<void>;
  readonly #asked = new Set<number>();
  #highest = -1;
  #ended = false;
  #wake: () => void = () => undefined;

  constructor(call: ClientCall) {
    this.over = this.#read(call).finally(() => {
      this.#ended = true;
      this.#wake();
    });
    this.over.catch(() => undefined);
  }

  /** Whether something is asked for, once that is known; false when the client has all. @throws what it said, or `invalid` */
  async some(listed: number): Promise<boolean> {
    while (this.#asked.size === 0 && !this.#ended) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
    if (this.#highest >= listed) throw invalid(`the client asks for file ${this.#highest} of ${listed}`);
    if (this.#ended && !this.#hasAll) await this.over;
    return this.#asked.size > 0;
  }

  /** Whether that file is asked for; its content must be sent then. */
  take(id: number): boolean {
    return this.#asked.delete(id);
  }

  #hasAll = false;

  async #read(call: ClientCall): Promise<void> {
    for await (const message of call.messages) {
      this.#take(decode(packet, message));
      this.#wake();
      // The call goes on until both have ended it.
    }
    if (!this.#hasAll) throw internal('the client ended the transfer before it had all files');
  }

  #take({ type, id, data }: Message<typeof packet>): void {
    switch (type) {
      case packetTypes.request:
        this.#asked.add(id);
        this.#highest = Math.max(this.#highest, id);
        return;
      case packetTypes.end:
        this.#hasAll = true;
        this.#ended = true;
        return;
      case packetTypes.error:
        throw internal(`error from receiver: ${Buffer.from(data).toString('utf8')}`);
      default:
        throw invalid(`the client sent a packet of the unknown type ${type}`);
    }
  }
}

/** As stat(2) has them. */
const kindBits: Readonly<Record<TarEntry['type'], number>> = {
  directory: 0o040000,
  symlink: 0o120000,
  char: 0o020000,
  block: 0o060000,
  fifo: 0o010000,
  file: 0o100000,
  hardlink: 0o100000,
};

const statOf = (entry: TarEntry): NonNullable<Draft<typeof packet>['stat']> => {
  const { type, mode, uid, gid, size, mtime, mtimeNsec, linkName, major, minor, xattrs } = entry;
  return {
    path: entry.name.replace(/\/+$/, ''),
    mode: goModeOf(kindBits[type] | mode),
    uid,
    gid,
    size: type === 'symlink' ? linkName.length : size,
    modTime: BigInt(mtime) * 1_000_000_000n + BigInt(mtimeNsec),
    linkname: linkName,
    devmajor: major,
    devminor: minor,
    ...(xattrs === undefined ? {} : { xattrs }),
  };
};
