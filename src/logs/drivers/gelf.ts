import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { deflate, gzip } from 'node:zlib';
import { formatTime } from '../../base/clock.ts';
import { delay } from '../../base/async.ts';
import { chosenAttributes, commandOf } from '../attributes.ts';
import { gelfAddress } from '../settings/addresses.ts';
import { BackendConnection } from './connection.ts';
import { udpDatagrams } from './datagrams.ts';
import type { DriverContext, LogDriver, Message } from './driver.ts';

/** The Graylog Extended Log Format, version 1.1. */
const levelOf = { stdout: 6, stderr: 3 } as const;
/** A chunk over UDP: two magic bytes, the message's id, the chunk's number and how many there are, then its bytes. */
const CHUNK_BYTES = 1420;
const CHUNK_HEADER = 12;
const MOST_CHUNKS = 128;
const compressors = { gzip: promisify(gzip), zlib: promisify(deflate) } as const;
const RECONNECT_SECONDS = 1;
const RECONNECTS = 3;

/** Sends lines as GELF messages, over UDP (compressed, in chunks) or TCP (each ended by a NUL byte). */
export function gelfDriver(context: DriverContext): LogDriver {
  const { scheme } = gelfAddress(context.settings.options['gelf-address']);
  const fields = fixedFields(context);
  return scheme === 'udp' ? udpDriver(context, fields) : tcpDriver(context, fields);
}

/** The fields of all messages, as the end of a JSON object. */
function fixedFields({ container, settings, tag }: DriverContext): string {
  const fields = new Map<string, string>([
    ['_container_id', container.id],
    ['_container_name', container.name],
    ['_image_id', container.imageId],
    ['_image_name', container.imageName],
    ['_command', commandOf(container)],
    ['_tag', tag],
    ['_created', formatTime(container.createdNs)],
    ...chosenAttributes(container, settings.options, (name) => (name.startsWith('_') ? name : `_${name}`)),
  ]);
  return `,${JSON.stringify(Object.fromEntries(fields)).slice(1)}`;
}

export function gelfMessage(hostname: string, fields: string, { line, timeNs, stream }: Message): string {
  const head = JSON.stringify({
    version: '1.1',
    host: hostname,
    short_message: line.toString(),
    timestamp: Number(timeNs / 1_000_000n) / 1000,
    level: levelOf[stream],
  });
  return head.slice(0, -1) + fields;
}

function udpDriver(context: DriverContext, fields: string): LogDriver {
  const { settings, hostname, complain } = context;
  const { options } = settings;
  const { host, port } = gelfAddress(options['gelf-address']);
  const datagrams = udpDatagrams(host, port);
  const type = options['gelf-compression-type'] ?? 'gzip';
  const level = Number(options['gelf-compression-level'] ?? 1);
  const compress = async (text: string): Promise<Buffer> =>
    type === 'gzip' || type === 'zlib' ? compressors[type](text, { level }) : Buffer.from(text);
  return {
    async send(messages, sent, signal) {
      for (const [index, message] of messages.entries()) {
        if (message.line.length > 0) {
          const chunks = gelfChunks(await compress(gelfMessage(hostname, fields, message)));
          if (chunks.length === 0) complain('a message does not fit into 128 chunks of GELF');
          for (const chunk of chunks) await datagrams.send(chunk, signal);
        }
        sent(index + 1);
      }
    },
    close: () => datagrams.close(),
  };
}

/** The datagrams of one message; none when it does not fit into as many as there may be. */
export function gelfChunks(bytes: Buffer): Buffer[] {
  if (bytes.length <= CHUNK_BYTES) return [bytes];
  const payload = CHUNK_BYTES - CHUNK_HEADER;
  const count = Math.ceil(bytes.length / payload);
  if (count > MOST_CHUNKS) return [];
  const id = randomBytes(8);
  return Array.from({ length: count }, (_, number) =>
    Buffer.concat([
      Buffer.from([0x1e, 0x0f]),
      id,
      Buffer.from([number, count]),
      bytes.subarray(number * payload, (number + 1) * payload),
    ]),
  );
}

/**
 * Messages go one by one, so that a broken connection costs as little as can be. After it broke, some attempts follow
 * each other after the delay that the options say; then the shipping's own, longer pauses begin.
 */
function tcpDriver({ settings: { options }, hostname }: DriverContext, fields: string): LogDriver {
  const connection = new BackendConnection(gelfAddress(options['gelf-address']), undefined);
  const attempts = Number(options['gelf-tcp-max-reconnect'] ?? RECONNECTS);
  const pauseMs = Number(options['gelf-tcp-reconnect-delay'] ?? RECONNECT_SECONDS) * 1000;
  const write = async (bytes: Buffer, signal: AbortSignal): Promise<void> => {
    for (let attempt = 0; ; attempt++) {
      try {
        return await connection.write(bytes, signal);
      } catch (error) {
        if (attempt >= attempts || signal.aborted) throw error;
        await delay(pauseMs, signal);
      }
    }
  };
  return {
    async send(messages, sent, signal) {
      for (const [index, message] of messages.entries()) {
        if (message.line.length > 0) {
          await write(Buffer.from(`${gelfMessage(hostname, fields, message)}\0`), signal);
        }
        sent(index + 1);
      }
    },
    close: () => connection.close(),
  };
}
