import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { ListenAddress } from '../../spec/resolver/control.ts';
import { emptyAnswer, refusal } from './answer.ts';
import type { NameBook } from './names.ts';
import { ownAnswer } from './own-answer.ts';
import { largestMessage, parseQuery, responseCode } from './query.ts';
import { streamServer } from './streams.ts';

/**
 * Names of containers for the host's programs: of all networks, and nothing else. Other questions are refused, so that a
 * client goes on to its next name server; nothing is passed on, as the host's own servers may ask here.
 * @throws SystemError `EADDRINUSE`, `EADDRNOTAVAIL`
 */
export async function serveHost(book: NameBook, { address, port }: ListenAddress): Promise<AsyncDisposable> {
  const answer = (bytes: Buffer, room: number | undefined): Buffer | undefined => {
    const query = parseQuery(bytes);
    if (query === undefined) return undefined;
    if ('responseCode' in query) return refusal(query);
    const own = ownAnswer(book, book.everywhere, query, room ?? query.room);
    return own ?? emptyAnswer(query, responseCode.refused);
  };
  const connections = new Set<Socket>();
  const streams = streamServer((question, give) => {
    const found = answer(question, largestMessage);
    if (found !== undefined) give(found);
  }, connections);
  const datagrams = createSocket({ type: address.includes(':') ? 'udp6' : 'udp4', ipv6Only: address.includes(':') });
  datagrams.on('message', (bytes, from) => {
    const found = answer(bytes, undefined);
    // The answer's room is used again before this one is sent.
    if (found !== undefined) datagrams.send(Buffer.from(found), from.port, from.address, () => undefined);
  });
  const close = async (): Promise<void> => {
    datagrams.close();
    streams.close();
    for (const socket of connections) socket.destroy();
  };
  try {
    datagrams.bind(port, address);
    await once(datagrams, 'listening');
    streams.listen({ host: address, port, ipv6Only: true });
    await once(streams, 'listening');
  } catch (error) {
    await close();
    throw error;
  }
  datagrams.on('error', () => undefined);
  streams.on('error', () => undefined);
  return { [Symbol.asyncDispose]: close };
}
