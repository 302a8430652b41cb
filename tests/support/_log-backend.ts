/**
 * `node _log-backend.ts KIND PLACE`: a fake backend of a log driver. Prints its port, then each message that it got as a
 * line of JSON.
 */
import { createSocket } from 'node:dgram';
import { rmSync } from 'node:fs';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { Poll, READABLE } from '../../src/sys/poll/poll.ts';
import { bindDatagrams, receiveDatagram } from './_unix-datagrams.ts';

const [kind = '', place = '0'] = process.argv.slice(2);
const tell = (message: string): void => void process.stdout.write(`${JSON.stringify(message)}\n`);
const listening = (port: number): void => void process.stdout.write(`${port}\n`);

function serveDatagrams(onMessage: (bytes: Buffer) => void): void {
  const server = createSocket('udp4', onMessage);
  server.bind(Number(place), '127.0.0.1', () => listening(server.address().port));
}

/** Chunks of GELF by the message that they are of. */
const chunks = new Map<string, Buffer[]>();

function takeGelf(bytes: Buffer): void {
  if (bytes.readUInt16BE(0) !== 0x1e0f) return tell(String(gunzipSync(bytes)));
  const id = bytes.toString('hex', 2, 10);
  const parts = chunks.get(id) ?? [];
  chunks.set(id, parts);
  parts[bytes[10] ?? 0] = bytes.subarray(12);
  if (parts.filter(Boolean).length === bytes[11]) tell(String(gunzipSync(Buffer.concat(parts))));
}

function serveStream(onSocket: (socket: Socket) => (bytes: Buffer) => void): void {
  const server = createServer((socket) => socket.on('error', () => undefined).on('data', onSocket(socket)));
  server.listen(Number(place), '127.0.0.1', () => listening((server.address() as AddressInfo).port));
}

/** Whole pieces of a stream that end with `end`. */
function pieces(end: string): (bytes: Buffer) => void {
  let rest = '';
  return (bytes) => {
    const parts = (rest + bytes.toString('latin1')).split(end);
    rest = parts.pop() ?? '';
    for (const part of parts) tell(part);
  };
}

/** One value of MessagePack, of the kinds that Docker's driver sends; undefined when it is not whole yet. */
function unpack(bytes: Buffer, at: number): { value: unknown; end: number } | undefined {
  const kind = bytes[at];
  if (kind === undefined) return undefined;
  const text = (width: number): { value: unknown; end: number } | undefined => {
    if (bytes.length < at + 1 + width) return undefined;
    const length = width === 0 ? kind & 0x1f : bytes.readUIntBE(at + 1, width);
    const start = at + 1 + width;
    return bytes.length < start + length
      ? undefined
      : { value: bytes.toString('utf8', start, start + length), end: start + length };
  };
  const list = (length: number, begin: number): { value: unknown[]; end: number } | undefined => {
    const value: unknown[] = [];
    let end = begin;
    for (let index = 0; index < length; index++) {
      const item = unpack(bytes, end);
      if (item === undefined) return undefined;
      value.push(item.value);
      end = item.end;
    }
    return { value, end };
  };
  if ((kind & 0xe0) === 0xa0) return text(0);
  if (kind >= 0xd9 && kind <= 0xdb) return text(2 ** (kind - 0xd9));
  if ((kind & 0xf0) === 0x90) return list(kind & 0x0f, at + 1);
  if (kind === 0xce) return bytes.length < at + 5 ? undefined : { value: bytes.readUInt32BE(at + 1), end: at + 5 };
  if (kind === 0xd7) return bytes.length < at + 10 ? undefined : { value: bytes.readUInt32BE(at + 2), end: at + 10 };
  if ((kind & 0xf0) !== 0x80) throw new Error(`a byte of MessagePack that nobody sends: ${kind}`);
  const found = list(2 * (kind & 0x0f), at + 1);
  if (found === undefined) return undefined;
  const pairs = Array.from({ length: kind & 0x0f }, (_, index) => [found.value[2 * index], found.value[2 * index + 1]]);
  return { value: Object.fromEntries(pairs) as unknown, end: found.end };
}

function forward(socket: Socket, acknowledges: boolean): (bytes: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  return (bytes) => {
    rest = Buffer.concat([rest, bytes]);
    for (let found = unpack(rest, 0); found !== undefined; found = unpack(rest, 0)) {
      rest = rest.subarray(found.end);
      const [tag, time, record, option] = found.value as [string, number, object, { chunk?: string }];
      tell(JSON.stringify({ tag, time, ...record }));
      const { chunk } = option;
      if (!acknowledges || chunk === undefined) continue;
      socket.write(
        Buffer.concat([Buffer.from('\x81\xa3ack', 'latin1'), Buffer.from([0xa0 | chunk.length]), Buffer.from(chunk)]),
      );
    }
  };
}

function serveUnixDatagrams(onMessage: (bytes: Buffer) => void): void {
  rmSync(place, { force: true });
  const fd = bindDatagrams(place);
  listening(0);
  new Poll(fd, READABLE, () => {
    for (let bytes = receiveDatagram(fd); bytes !== undefined; bytes = receiveDatagram(fd)) onMessage(bytes);
  });
}

/** The fields of an entry of the journal as JSON. */
function journalEntry(bytes: Buffer): string {
  const fields: Record<string, string> = {};
  for (let at = 0; at < bytes.length; ) {
    const line = bytes.indexOf('\n', at);
    const equals = bytes.indexOf('=', at);
    if (equals >= 0 && equals < line) {
      fields[bytes.toString('utf8', at, equals)] = bytes.toString('utf8', equals + 1, line);
      at = line + 1;
    } else {
      const length = Number(bytes.readBigUInt64LE(line + 1));
      fields[bytes.toString('utf8', at, line)] = bytes.toString('utf8', line + 9, line + 9 + length);
      at = line + 9 + length + 1;
    }
  }
  return JSON.stringify(fields);
}

switch (kind) {
  case 'udp':
    serveDatagrams((bytes) => tell(bytes.toString('latin1')));
    break;
  case 'gelf-udp':
    serveDatagrams(takeGelf);
    break;
  case 'tcp':
    serveStream(() => pieces('\n'));
    break;
  case 'gelf-tcp':
    serveStream(() => pieces('\0'));
    break;
  case 'fluentd':
  case 'fluentd-ack':
    serveStream((socket) => forward(socket, kind === 'fluentd-ack'));
    break;
  case 'unixgram':
    serveUnixDatagrams((bytes) => tell(bytes.toString('latin1')));
    break;
  case 'journald':
    serveUnixDatagrams((bytes) => tell(journalEntry(bytes)));
    break;
  default:
    throw new Error(`no such backend: ${kind}`);
}
