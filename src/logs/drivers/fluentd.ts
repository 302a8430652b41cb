import { randomBytes } from 'node:crypto';
import { delay } from '../../base/async.ts';
import { parseDuration } from '../../base/text/duration.ts';
import { chosenAttributes } from '../attributes.ts';
import { fluentdAddress } from '../settings/addresses.ts';
import { parseSwitch } from '../settings/numbers.ts';
import { BackendConnection } from './connection.ts';
import type { DriverContext, LogDriver, Message } from './driver.ts';
import { packArray, packEventTime, packMap, packSeconds, packString, unpackStringMap } from './msgpack.ts';

/** So long an acknowledgement may take where the options name no time. */
const ACK_MS = 30_000;
const RETRY_MS = 1000;

/** The options that matter here; the others are about a buffer in memory, which the log file is here. */
function fluentdOptions(options: DriverContext['settings']['options']) {
  const text = (name: string): string | undefined => options[`fluentd-${name}`] || undefined;
  const millis = (name: string): number | undefined => {
    const given = text(name);
    return given === undefined ? undefined : Number(parseDuration(given) / 1_000_000n);
  };
  return {
    subSeconds: parseSwitch(text('sub-second-precision') ?? 'false'),
    acknowledged: parseSwitch(text('request-ack') ?? 'false'),
    retryMs: millis('retry-wait') ?? RETRY_MS,
    writeMs: millis('write-timeout') ?? 0,
    ackMs: millis('read-timeout') || ACK_MS,
  };
}

/** Sends lines in Fluentd's forward protocol (version 1, message mode). */
export function fluentdDriver(context: DriverContext): LogDriver {
  const { settings, container, tag } = context;
  const options = fluentdOptions(settings.options);
  const acks = new Acknowledgements();
  const connection = new BackendConnection(fluentdAddress(settings.options['fluentd-address']), undefined, (bytes) =>
    acks.take(bytes),
  );
  const fixed: readonly (readonly [string, string])[] = [
    ['container_id', container.id],
    ['container_name', `/${container.name}`],
  ];
  const chosen = [...chosenAttributes(container, settings.options)];
  // A chosen label or variable takes the place of a field of the same name, as with Docker.
  const fieldsOf = (message: Message): Map<string, string | Uint8Array> =>
    new Map<string, string | Uint8Array>([
      ...fixed,
      ['source', message.stream] as const,
      ['log', message.line] as const,
      ...chosen,
      ...partFields(message),
    ]);
  const pack = (message: Message, chunk: string | undefined): Buffer =>
    Buffer.concat([
      packArray(4),
      packString(tag),
      options.subSeconds ? packEventTime(message.timeNs) : packSeconds(message.timeNs),
      packMap(fieldsOf(message)),
      packMap(chunk === undefined ? [] : [['chunk', chunk]]),
    ]);
  return {
    async send(messages, sent, signal) {
      try {
        const chunks = messages.map(() => (options.acknowledged ? randomBytes(16).toString('base64') : undefined));
        if (!connection.isOpen) acks.reset();
        const packed = messages.map((message, index) => pack(message, chunks[index]));
        await connection.write(Buffer.concat(packed), signal, options.writeMs);
        for (const [index, chunk] of chunks.entries()) {
          if (chunk !== undefined) await acknowledged(connection, acks, chunk, options.ackMs, signal);
          sent(index + 1);
        }
      } catch (error) {
        connection.close();
        await delay(options.retryMs, signal);
        throw error;
      }
    },
    close: () => connection.close(),
  };
}

async function acknowledged(
  connection: BackendConnection,
  acks: Acknowledgements,
  chunk: string,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<void> {
  const over = new AbortController();
  const late = delay(timeoutMs, over.signal).then(() => {
    throw new Error(`no acknowledgement within ${timeoutMs} ms`);
  });
  late.catch(() => undefined);
  const broken = connection.broken(signal);
  broken.catch(() => undefined);
  try {
    await Promise.race([acks.wait(chunk), late, broken]);
  } finally {
    over.abort();
  }
}

function partFields({ part }: Message): [string, string][] {
  if (part === undefined) return [];
  return [
    ['partial_message', 'true'],
    ['partial_id', part.id],
    ['partial_ordinal', String(part.ordinal)],
    ['partial_last', String(part.last)],
  ];
}

/** A backend that sends this much without a whole answer sends no answers. */
const MOST_UNREAD = 64 * 1024;

/** What the backend says it has. */
class Acknowledgements {
  readonly #arrived = new Set<string>();
  #waiting: { chunk: string; done: () => void } | undefined;
  #rest: Buffer = Buffer.alloc(0);

  /** A new connection: what the old one said in half is nothing. */
  reset(): void {
    this.#rest = Buffer.alloc(0);
    this.#arrived.clear();
  }

  take(bytes: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    try {
      for (let found = unpackStringMap(this.#rest); found !== undefined; found = unpackStringMap(this.#rest)) {
        this.#rest = this.#rest.subarray(found.end);
        this.#arrived.add(found.map.get('ack') ?? '');
      }
    } catch {
      this.#rest = Buffer.alloc(0);
    }
    if (this.#rest.length > MOST_UNREAD || this.#arrived.size > MOST_UNREAD) this.reset();
    if (this.#waiting !== undefined && this.#arrived.delete(this.#waiting.chunk)) this.#waiting.done();
  }

  wait(chunk: string): Promise<void> {
    if (this.#arrived.delete(chunk)) return Promise.resolve();
    return new Promise((done) => {
      this.#waiting = { chunk, done };
    });
  }
}
