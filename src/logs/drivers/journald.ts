import { randomBytes } from 'node:crypto';
import { formatTime } from '../../base/clock.ts';
import { UnixDatagramSocket } from '../../sys/socket/datagram.ts';
import { chosenAttributes } from '../attributes.ts';
import { sendUnix } from './datagrams.ts';
import type { DriverContext, LogDriver, Message } from './driver.ts';

/** systemd's journal, in its native protocol: fields by name, each of any bytes, one datagram an entry. */
const journalSocket = '/run/systemd/journal/socket';
const priorityOf = { stdout: '6', stderr: '3' } as const;
const NEWLINE = 0x0a;

/** A journal's field name: capitals, digits and underscores, not beginning with one. */
export const fieldName = (text: string): string =>
  text
    .toUpperCase()
    .replace(/[^A-Z0-9]/g, '_')
    .replace(/^_+/, '');

/** One field; a value with a newline has its length in front. */
export function journalField(name: string, value: string | Buffer): Buffer {
  const bytes = Buffer.from(value as string);
  if (!bytes.includes(NEWLINE)) return Buffer.concat([Buffer.from(`${name}=`), bytes, Buffer.from('\n')]);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(bytes.length));
  return Buffer.concat([Buffer.from(`${name}\n`), length, bytes, Buffer.from('\n')]);
}

/** Sends lines to the journal of the host. */
export function journaldDriver(context: DriverContext, path = journalSocket): LogDriver {
  const { container, settings, tag } = context;
  const fixed = Buffer.concat(
    [
      ['CONTAINER_ID', container.id.slice(0, 12)] as const,
      ['CONTAINER_ID_FULL', container.id] as const,
      ['CONTAINER_NAME', container.name] as const,
      ['CONTAINER_TAG', tag] as const,
      ['IMAGE_NAME', container.imageName] as const,
      ['SYSLOG_IDENTIFIER', tag] as const,
      ['CONTAINER_LOG_EPOCH', randomBytes(32).toString('hex')] as const,
      ...chosenAttributes(container, settings.options, fieldName),
    ].flatMap(([name, value]) => (name === '' ? [] : [journalField(name, value)])),
  );
  let ordinal = 0;
  let socket: UnixDatagramSocket | undefined;
  const open = () => (socket ??= new UnixDatagramSocket(path));
  const close = () => {
    socket?.close();
    socket = undefined;
  };
  return {
    async send(messages, sent, signal) {
      for (const [index, message] of messages.entries()) {
        const entry = Buffer.concat([fixed, entryFields(message, ordinal + 1)]);
        await sendUnix(open, close, entry, signal, true);
        ordinal++;
        sent(index + 1);
      }
    },
    close,
  };
}

function entryFields({ line, stream, timeNs, part }: Message, ordinal: number): Buffer {
  const fields: [string, string | Buffer][] = [
    ['PRIORITY', priorityOf[stream]],
    ['MESSAGE', line],
    ['SYSLOG_TIMESTAMP', formatTime(timeNs)],
    ['CONTAINER_LOG_ORDINAL', String(ordinal)],
  ];
  if (part !== undefined) {
    fields.push(['CONTAINER_PARTIAL_ID', part.id], ['CONTAINER_PARTIAL_ORDINAL', String(part.ordinal)]);
    fields.push(['CONTAINER_PARTIAL_LAST', String(part.last)]);
    if (!part.last) fields.push(['CONTAINER_PARTIAL_MESSAGE', 'true']);
  }
  return Buffer.concat(fields.map(([name, value]) => journalField(name, value)));
}
