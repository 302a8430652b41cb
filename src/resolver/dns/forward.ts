import type { Upstream } from '../../spec/resolver/names.ts';
import { ReplyCache } from './cache.ts';
import { type Enter, exchangeByDatagrams, exchangeByStream, type PassedQuery } from './exchange.ts';
import { headerBytes, type Query, responseCode } from './query.ts';
import type { Reply } from './reply.ts';

export type Transport = 'udp' | 'tcp';

/** What a client gets: a reply that is its own, or the code of a refusal. */
export type Passed = Buffer | { readonly responseCode: number };

/** Questions under way at once: of one container, and of all. Beyond the second, each may still have a few. */
const mostOfOne = 512;
const mostOfAll = 4096;
const alwaysFree = 8;
/** Clients that wait for the same reply. */
const mostWaiting = 64;
/** A longer question is not kept in memory by its text. */
const longestKey = 512;

let underWay = 0;

interface Waiting {
  /** The client's own header and question: number and spelling. */
  readonly head: Buffer;
  readonly give: (passed: Passed) => void;
}

/** Passes questions of one container on to other name servers, from its own namespace or the host's. */
export class Forwarder {
  readonly #enter: Enter;
  readonly #cache: ReplyCache;
  readonly #waiting = new Map<string, Waiting[]>();
  readonly #end = new AbortController();
  #count = 0;
  #upstreams: readonly Upstream[] = [];

  constructor(enter: Enter, nowMs: () => number) {
    this.#enter = enter;
    this.#cache = new ReplyCache(nowMs);
  }

  /** Replies of other servers than before are forgotten. */
  setUpstreams(upstreams: readonly Upstream[]): void {
    if (JSON.stringify(upstreams) === JSON.stringify(this.#upstreams)) return;
    this.#upstreams = upstreams;
    this.#cache.clear();
  }

  /** `give` is called once, now or later. */
  ask(query: Query, transport: Transport, give: (passed: Passed) => void): void {
    if (this.#upstreams.length === 0) return give({ responseCode: responseCode.serverFailure });
    const key = query.bytes.length > longestKey ? undefined : keyOf(query, transport);
    const kept = key === undefined ? undefined : this.#cache.take(key);
    if (kept !== undefined) return give(madeFor(query.bytes, query.questionEnd, kept));
    const waiting: Waiting = { head: Buffer.from(query.bytes.subarray(0, query.questionEnd)), give };
    const others = key === undefined ? undefined : this.#waiting.get(key);
    if (others !== undefined) {
      if (others.length < mostWaiting) others.push(waiting);
      return;
    }
    if (this.#count >= mostOfOne || (underWay >= mostOfAll && this.#count >= alwaysFree)) {
      return give({ responseCode: responseCode.refused });
    }
    const all = [waiting];
    if (key !== undefined) this.#waiting.set(key, all);
    this.#count++;
    underWay++;
    const settle = (reply: Reply | undefined): void => {
      this.#count--;
      underWay--;
      if (key !== undefined) {
        this.#waiting.delete(key);
        if (reply !== undefined) this.#cache.keep(key, reply);
      }
      for (const { head, give: answer } of all) {
        answer(
          reply === undefined ? { responseCode: responseCode.serverFailure } : madeFor(head, head.length, reply.bytes),
        );
      }
    };
    void this.#exchange({ bytes: Buffer.from(query.bytes), questionEnd: query.questionEnd }, transport).then(settle);
  }

  /** What is under way gets no answer any more. */
  close(): void {
    this.#cache.clear();
    this.#end.abort();
  }

  #exchange(query: PassedQuery, transport: Transport): Promise<Reply | undefined> {
    const exchange = transport === 'tcp' ? exchangeByStream : exchangeByDatagrams;
    return exchange(query, this.#upstreams, this.#enter, this.#end.signal);
  }
}

/** Everything of a question but its number and the case of its letters. */
const keyOf = ({ bytes, name, questionEnd }: Query, transport: Transport): string =>
  [transport, name, bytes.toString('latin1', 2, headerBytes), bytes.toString('latin1', questionEnd - 4)].join('\0');

/** A copy of the reply with the number and the question as this client wrote them. */
function madeFor(head: Buffer, headEnd: number, reply: Buffer): Buffer {
  const own = Buffer.from(reply);
  head.copy(own, 0, 0, 2);
  head.copy(own, headerBytes, headerBytes, headEnd);
  return own;
}
