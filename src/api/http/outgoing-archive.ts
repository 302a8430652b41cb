import type { ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { createDeflateRaw, createGzip } from 'node:zlib';
import type { OutgoingArchive } from '../services/container-files.ts';
import { namedType } from './accept.ts';
import type { Exchange } from './exchange.ts';
import { bareSocket, writeBorrowed } from './streams.ts';

/** Answers with an archive: by a thread of its own where the connection allows it. Closes the archive. */
export async function sendArchive(
  { response, signal }: Exchange,
  archive: OutgoingArchive,
  headers: Readonly<Record<string, string>>,
): Promise<void> {
  try {
    response.writeHead(200, headers);
    const socket = await bareSocket(response, signal);
    if (socket !== undefined) await archive.sendTo(socket);
    else for await (const piece of archive.content) await writeBorrowed(response, piece, signal);
    response.end();
  } finally {
    await archive.close();
  }
}

/** As Docker has it, `deflate` is the bare one of RFC 1951. */
const encoders = { gzip: createGzip, deflate: createDeflateRaw } as const;

/** The same compressed on its way, for clients whose Accept-Encoding names it: docker-py's `encode_stream`. */
export async function sendEncodedArchive(
  exchange: Exchange,
  archive: OutgoingArchive,
  headers: Readonly<Record<string, string>>,
): Promise<void> {
  const encoding = namedType(exchange.request.headers['accept-encoding'], Object.keys(encoders));
  if (encoding === undefined) return sendArchive(exchange, archive, headers);
  const { response, signal } = exchange;
  try {
    response.writeHead(200, { ...headers, 'Content-Encoding': encoding });
    await encoded(archive, encoding as keyof typeof encoders, response, signal);
  } finally {
    await archive.close();
  }
}

async function encoded(
  archive: OutgoingArchive,
  encoding: keyof typeof encoders,
  response: ServerResponse,
  signal: AbortSignal,
): Promise<void> {
  const encoder = encoders[encoding]();
  const sent = pipeline(encoder, response, { signal });
  sent.catch(() => undefined);
  try {
    for await (const piece of archive.content) await writeBorrowed(encoder, piece, signal);
    encoder.end();
  } catch (error) {
    encoder.destroy();
    throw error;
  }
  await sent;
}
