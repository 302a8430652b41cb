import { demultiplex } from '../../client/stream.ts';

/** One line of one of several logs. */
export interface LogLine {
  /** Which of the logs. */
  readonly source: number;
  readonly fd: 1 | 2;
  /** RFC 3339 in UTC with nine decimals: such times sort as text. */
  readonly time: string;
  /** Without its newline. */
  readonly text: string;
}

/** So long a line waits for an older one of a log that is followed. */
const HOLD_MS = 150;
const TIME_LENGTH = '2026-01-02T03:04:05.123456789Z'.length;

/**
 * The lines of a log that was asked for with timestamps. An entry is one write of a container: parts of a line come
 * together again, under the time of the first.
 */
export async function* logLines(
  body: AsyncIterable<Uint8Array>,
  source: number,
  isTty: boolean,
): AsyncGenerator<LogLine, void, undefined> {
  const open = new Map<1 | 2, { time: string; text: string }>();
  for await (const { fd, text } of entries(body, isTty)) {
    const time = text.slice(0, TIME_LENGTH);
    const begun = open.get(fd) ?? { time, text: '' };
    begun.text += text.slice(TIME_LENGTH + 1);
    if (begun.text.endsWith('\n')) {
      open.delete(fd);
      yield { source, fd, time: begun.time, text: begun.text.replace(/\r?\n$/, '') };
    } else open.set(fd, begun);
  }
  for (const [fd, { time, text }] of open) yield { source, fd, time, text };
}

/** The entries of a log, whole: their pieces end with a frame, or, from a terminal, with a line. */
async function* entries(body: AsyncIterable<Uint8Array>, isTty: boolean): AsyncGenerator<{ fd: 1 | 2; text: string }> {
  const decoders = { 1: new TextDecoder(), 2: new TextDecoder() } as const;
  if (!isTty) {
    for await (const { stream, bytes } of demultiplex(wholeFrames(body))) {
      const fd = stream === 'stderr' ? 2 : 1;
      yield { fd, text: decoders[fd].decode(bytes) };
    }
    return;
  }
  let rest = '';
  for await (const bytes of body) {
    rest += decoders[1].decode(bytes, { stream: true });
    for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n')) {
      yield { fd: 1, text: rest.slice(0, end + 1) };
      rest = rest.slice(end + 1);
    }
  }
  if (rest !== '') yield { fd: 1, text: rest };
}

/** The same bytes in chunks that hold whole frames. */
async function* wholeFrames(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const bytes of body) {
    rest = rest.length === 0 ? Buffer.from(bytes) : Buffer.concat([rest, bytes]);
    let end = 0;
    while (rest.length >= end + 8 && rest.length >= end + 8 + rest.readUInt32BE(end + 4)) {
      end += 8 + rest.readUInt32BE(end + 4);
    }
    if (end === 0) continue;
    yield rest.subarray(0, end);
    rest = rest.subarray(end);
  }
  if (rest.length > 0) yield rest;
}

/**
 * The lines of several logs in order of their times. A log that is followed may be silent: a line waits only a moment
 * for an older one of it, and not again before it has said something, so the order there is as good as that.
 */
export async function* mergeByTime(
  sources: readonly AsyncIterable<LogLine>[],
  follow: boolean,
): AsyncGenerator<LogLine, void, undefined> {
  const iterators = sources.map((source) => source[Symbol.asyncIterator]());
  const heads = new Map<number, LogLine>();
  const pending = new Map<number, Promise<void>>();
  const silent = new Set<number>();
  const ask = (index: number): void => {
    const answer = iterators[index]?.next().then(({ done, value }) => {
      pending.delete(index);
      silent.delete(index);
      if (done !== true) heads.set(index, value);
    });
    if (answer !== undefined) pending.set(index, answer);
  };
  for (const index of iterators.keys()) ask(index);
  while (pending.size > 0 || heads.size > 0) {
    if (heads.size === 0) await Promise.race(pending.values());
    const awaited = [...pending].filter(([index]) => !silent.has(index));
    if (!follow) await Promise.all(pending.values());
    else if (awaited.length > 0 && !(await inTime(awaited.map(([, answer]) => answer)))) {
      for (const index of pending.keys()) silent.add(index);
    }
    let oldest: LogLine | undefined;
    for (const line of heads.values()) if (oldest === undefined || line.time < oldest.time) oldest = line;
    if (oldest === undefined) continue;
    heads.delete(oldest.source);
    yield oldest;
    ask(oldest.source);
  }
}

/** Did all answer within the time that a line waits? */
async function inTime(answers: readonly Promise<void>[]): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), HOLD_MS);
  });
  const result = await Promise.race([Promise.all(answers).then(() => true), over]);
  clearTimeout(timer);
  return result;
}
