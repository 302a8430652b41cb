import { randomBytes } from 'node:crypto';
import type { Batch } from '../batch.ts';
import { LONGEST_MESSAGE, type Message } from '../drivers/driver.ts';
import type { Places, StreamPlace } from './cursor.ts';

const NEWLINE = 0x0a;

/** A message, and where a driver goes on that has sent it. */
export interface Outgoing {
  readonly message: Message;
  readonly after: Places;
}

type StreamName = 'stdout' | 'stderr';

/** The line of one stream that has no end yet. */
interface OpenLine {
  pieces: Buffer[];
  bytes: number;
  timeNs: bigint;
  /** Of the first byte that was not made a message. */
  place: StreamPlace;
}

/**
 * Makes messages of a log's entries: the parts in which the monitor wrote a line come together again, and a line of more
 * than 16 KiB goes in parts of that size.
 */
export class MessageAssembler {
  readonly #lines = new Map<StreamName, OpenLine>();
  /** Where each stream went on when this began: what is before was sent by an earlier engine. */
  readonly #resume: Map<StreamName, StreamPlace>;
  /** Behind the last message that was made. */
  #last: Places;
  /** Where reading goes on. */
  #next: StreamPlace | undefined;
  #dropped: number;

  readonly #older: ReadonlySet<string>;

  /** `older`: the name of a stream and a file before the one that it goes on in, a blank between. */
  constructor(from: Places, older: ReadonlySet<string> = new Set()) {
    this.#older = older;
    this.#last = from;
    this.#resume = new Map();
    if (from.stdout !== undefined) this.#resume.set('stdout', from.stdout);
    if (from.stderr !== undefined) this.#resume.set('stderr', from.stderr);
    this.#dropped = from.dropped;
  }

  /** Notes that so many dropped files were told of. */
  markDropped(count: number): void {
    this.#dropped = count;
  }

  /** The messages that a batch completes. */
  add(batch: Batch): Outgoing[] {
    const out: Outgoing[] = [];
    for (let index = 0; index < batch.count; index++) {
      if (batch.file === '') out.push(this.notice(batch.timeNs(index), contentOf(batch, index)));
      else this.#entry(batch, index, out);
    }
    if (batch.file !== '') this.#next = { file: batch.file, at: batch.end, skip: 0, part: undefined };
    return out;
  }

  /** A message that no container wrote. */
  notice(timeNs: bigint, line: Buffer): Outgoing {
    const after = { ...this.#last, dropped: this.#dropped };
    return { message: { stream: 'stderr', timeNs, line, part: undefined }, after };
  }

  /** What has no newline: the container has ended. */
  flush(): Outgoing[] {
    const out: Outgoing[] = [];
    for (const [stream, line] of this.#lines) {
      this.#emit(stream, line, line.bytes, { full: true, place: this.#next ?? line.place, out });
    }
    return out;
  }

  #entry(batch: Batch, index: number, out: Outgoing[]): void {
    const kind = batch.kinds[index] ?? 1;
    const stream = (kind & 2) === 0 ? 'stdout' : 'stderr';
    const here = batch.place(index);
    const resumed = this.#resumeAt(stream, batch.file, here);
    if (resumed === 'sent before') return;
    const full = (kind & 4) === 0;
    const content = contentOf(batch, index).subarray(resumed?.skip ?? 0);
    const line = this.#lines.get(stream) ?? {
      pieces: [],
      bytes: 0,
      timeNs: batch.timeNs(index),
      place: resumed ?? { file: batch.file, at: here, skip: 0, part: undefined },
    };
    this.#lines.set(stream, line);
    line.pieces.push(content);
    line.bytes += content.length;
    const length = content.length + (resumed?.skip ?? 0);
    while (line.bytes >= LONGEST_MESSAGE) {
      const rest = line.bytes - LONGEST_MESSAGE;
      const place = { file: batch.file, at: here, skip: length - rest, part: undefined };
      this.#emit(stream, line, LONGEST_MESSAGE, { full: false, place, out });
    }
    if (!full) return;
    const place = { file: batch.file, at: batch.place(index + 1), skip: 0, part: undefined };
    this.#emit(stream, line, line.bytes, { full: true, place, out });
  }

  #resumeAt(stream: StreamName, file: string, at: number): StreamPlace | 'sent before' | undefined {
    const resume = this.#resume.get(stream);
    if (resume === undefined || file === '') return undefined;
    if (this.#isBefore(stream, resume, file, at)) return 'sent before';
    this.#resume.delete(stream);
    return resume.file === file && at === resume.at ? resume : undefined;
  }

  /** Makes a message of the first `bytes` of a line; `place` is where the stream goes on behind them. */
  #emit(
    stream: StreamName,
    line: OpenLine,
    bytes: number,
    end: { readonly full: boolean; readonly place: StreamPlace; readonly out: Outgoing[] },
  ): void {
    const { full, out } = end;
    const whole = Buffer.concat(line.pieces);
    const before = line.place.part;
    const id = before?.id ?? randomBytes(32).toString('hex');
    const ordinal = (before?.ordinal ?? 0) + 1;
    const part = before === undefined && full ? undefined : { id, ordinal, last: full };
    const place: StreamPlace = full ? end.place : { ...end.place, part: { id, ordinal } };
    if (full) this.#lines.delete(stream);
    else {
      line.pieces = [whole.subarray(bytes)];
      line.bytes = whole.length - bytes;
      line.place = place;
    }
    const message = { stream, timeNs: line.timeNs, line: whole.subarray(0, bytes), part };
    this.#last = this.#places(stream, place);
    out.push({ message, after: this.#last });
  }

  /** The other stream goes on at its open line, or where it was ahead, or has nothing unsent before this place. */
  #places(stream: StreamName, place: StreamPlace): Places {
    const placeOf = (name: StreamName): StreamPlace => {
      if (name === stream) return place;
      const open = this.#lines.get(name);
      const resume = this.#resume.get(name);
      const isAhead = resume !== undefined && this.#isBefore(name, resume, place.file, place.at);
      return open?.place ?? (isAhead ? resume : { ...place, skip: 0, part: undefined });
    };
    return { stdout: placeOf('stdout'), stderr: placeOf('stderr'), dropped: this.#dropped };
  }

  /** Is a record of the stream before the place where it goes on? */
  #isBefore(stream: StreamName, resume: StreamPlace, file: string, at: number): boolean {
    return resume.file === file ? at < resume.at : this.#older.has(`${stream} ${file}`);
  }
}

/** A copy: the batch is used again. Without the newline, and without what a terminal adds to it nothing else. */
function contentOf(batch: Batch, index: number): Buffer {
  const start = batch.starts[index] ?? 0;
  const end = batch.ends[index] ?? 0;
  const withoutEnd = end > start && batch.block[end - 1] === NEWLINE ? end - 1 : end;
  return Buffer.from(batch.block.subarray(start, withoutEnd));
}
