import type { Reply } from './reply.ts';

interface Kept {
  readonly reply: Reply;
  readonly storedMs: number;
}

/** Bytes of one container's replies, and of all containers' together. */
const mostBytes = 256 << 10;
const mostBytesOfAll = 16 << 20;
/** What an entry costs besides its bytes. */
const overhead = 300;
/** A reply that is longer is asked for again. */
const longestReply = 4096;

let bytesOfAll = 0;

const costOf = (key: string, { bytes }: Reply): number => bytes.length + key.length + overhead;

/**
 * Replies of other servers, one container's own: it can neither see nor spoil what others get. What is longest unused goes
 * first.
 */
export class ReplyCache {
  readonly #kept = new Map<string, Kept>();
  readonly #nowMs: () => number;
  #bytes = 0;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** A copy with what is left of its time in it; undefined when there is none. */
  take(key: string): Buffer | undefined {
    const kept = this.#kept.get(key);
    if (kept === undefined) return undefined;
    const age = Math.floor((this.#nowMs() - kept.storedMs) / 1000);
    this.#delete(key, kept);
    if (age >= kept.reply.lifetime) return undefined;
    this.#add(key, kept);
    const bytes = Buffer.from(kept.reply.bytes);
    for (const at of kept.reply.ttlsAt) bytes.writeUInt32BE(Math.max(0, bytes.readUInt32BE(at) - age), at);
    return bytes;
  }

  keep(key: string, reply: Reply): void {
    if (reply.lifetime === 0 || reply.bytes.length > longestReply) return;
    const before = this.#kept.get(key);
    if (before !== undefined) this.#delete(key, before);
    const cost = costOf(key, reply);
    for (const [oldKey, old] of this.#kept) {
      if (this.#bytes + cost <= mostBytes && bytesOfAll + cost <= mostBytesOfAll) break;
      this.#delete(oldKey, old);
    }
    if (bytesOfAll + cost <= mostBytesOfAll) this.#add(key, { reply, storedMs: this.#nowMs() });
  }

  clear(): void {
    for (const [key, kept] of this.#kept) this.#delete(key, kept);
  }

  #add(key: string, kept: Kept): void {
    this.#kept.set(key, kept);
    const cost = costOf(key, kept.reply);
    this.#bytes += cost;
    bytesOfAll += cost;
  }

  #delete(key: string, kept: Kept): void {
    this.#kept.delete(key);
    const cost = costOf(key, kept.reply);
    this.#bytes -= cost;
    bytesOfAll -= cost;
  }
}
