import type { Duplex } from 'node:stream';
import { concatBytes } from '../../base/stream.ts';
import type { ProbeAnswer, ProbeTarget } from '../../spec/contract/probe.ts';

/** A server whose head is larger than this gives no answer. */
const longestHead = 16 * 1024;
/** How long the begin of the body is waited for once the status is known: it is only shown to people. */
const bodyPatienceMs = 250;

type HttpTarget = Extract<ProbeTarget, { kind: 'http' }>;

const requestText = ({ authority, path }: HttpTarget): string =>
  [
    `GET ${path} HTTP/1.1`,
    `Host: ${authority}`,
    'User-Agent: Gantry-Health-Check/1',
    'Accept: */*',
    'Connection: close',
    '',
    '',
  ].join('\r\n');

/**
 * Sends one GET and reads the status, and of the body at most `textLimit` bytes, for a moment. Takes any status of 200
 * to 399 for good. Ends when the stream is destroyed. @throws Error saying what the server did instead of answering.
 */
export function askHttp(stream: Duplex, target: HttpTarget, textLimit: number): Promise<ProbeAnswer> {
  return new Promise((resolve, reject) => {
    const reader = new ResponseReader(textLimit);
    let patience: NodeJS.Timeout | undefined;
    const finish = (): void => {
      clearTimeout(patience);
      stream.removeAllListeners('data');
      const answer = reader.answer();
      if (answer instanceof Error) reject(answer);
      else resolve(answer);
      stream.destroy();
    };
    stream.on('data', (chunk: Buffer) => {
      reader.take(chunk);
      if (reader.isDone) finish();
      else if (reader.hasStatus) patience ??= setTimeout(finish, bodyPatienceMs);
    });
    stream.on('error', (error: Error) => {
      if (reader.hasStatus) return finish();
      clearTimeout(patience);
      reject(error);
    });
    stream.once('close', finish);
    stream.once('end', finish);
    stream.write(requestText(target));
  });
}

/** What a server sent: the head, then as much of the body as is wanted. Bytes beyond that are never kept. */
class ResponseReader {
  readonly #textLimit: number;
  readonly #body: Uint8Array[] = [];
  #bodyLength = 0;
  #head = '';
  #isHeadWhole = false;
  /** Of the body, when the server said so. */
  #expected: number | undefined;
  isDone = false;

  constructor(textLimit: number) {
    this.#textLimit = textLimit;
  }

  /** The head has come to its end. */
  get hasStatus(): boolean {
    return this.#isHeadWhole;
  }

  take(chunk: Buffer): void {
    if (this.isDone) return;
    if (this.#isHeadWhole) this.#takeBody(chunk);
    else this.#takeHead(chunk);
  }

  /** An Error when there was no proper head. */
  answer(): ProbeAnswer | Error {
    const line = /^HTTP\/1\.[01] ([1-9][0-9]{2})(?: [^\r\n]*)?\r?\n/.exec(this.#head);
    if (line === null || !this.#isHeadWhole) {
      if (this.#head === '') return new Error('the server closed the connection without an answer');
      return new Error(this.isDone ? 'the head of the answer is too long' : 'the answer is not HTTP');
    }
    const status = Number(line[1]);
    const cut = this.#bodyLength >= this.#textLimit ? '...' : '';
    const text = new TextDecoder().decode(concatBytes(this.#body, this.#bodyLength));
    return { isGood: status >= 200 && status < 400, text: `${line[0].trimEnd()}\n${text}${cut}` };
  }

  #takeHead(chunk: Buffer): void {
    // The head's bytes are looked at again from a few before the chunk on only: endless heads cost what they weigh.
    const from = Math.max(0, this.#head.length - 3);
    this.#head += chunk.toString('latin1');
    const end = this.#head.indexOf('\r\n\r\n', from);
    if (end < 0 || end > longestHead) {
      if (this.#head.length > longestHead) this.isDone = true;
      return;
    }
    const extra = this.#head.length - end - 4;
    this.#isHeadWhole = true;
    const length = /\r\ncontent-length: *([0-9]{1,12}) *\r\n/i.exec(this.#head.slice(0, end + 2));
    if (length !== null) this.#expected = Number(length[1]);
    this.#head = this.#head.slice(0, end + 4);
    this.#takeBody(chunk.subarray(chunk.length - extra));
  }

  #takeBody(chunk: Buffer): void {
    const kept = chunk.subarray(0, this.#textLimit - this.#bodyLength);
    if (kept.length > 0) this.#body.push(Buffer.from(kept));
    this.#bodyLength += kept.length;
    this.isDone = this.#bodyLength >= Math.min(this.#textLimit, this.#expected ?? this.#textLimit);
  }
}
