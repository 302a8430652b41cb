import { createServer, type Server, type Socket } from 'node:net';
import { frameMessage, MessageReader } from './frames.ts';

/** Connections of one server: others are turned away. */
const mostConnections = 32;
const quietMs = 10_000;
/** Questions of one connection that are worked on, and answers in bytes that it has not taken yet. */
const mostAtOnce = 64;
const mostUnread = 256 << 10;
const longestQuery = 4096;

/** Answers a question now or later, at most once; what it gives is valid during the call only. */
export type Answering = (question: Buffer, give: (answer: Buffer) => void) => void;

/** A TCP server for questions, yet to listen; `connections` has the open ones, for its end. */
export function streamServer(answering: Answering, connections: Set<Socket>): Server {
  const server = createServer((socket) => {
    connections.add(socket);
    let atOnce = 0;
    const reader = new MessageReader((message) => {
      if (atOnce++ === mostAtOnce) return void socket.destroy();
      answering(message, (answer) => {
        atOnce--;
        if (socket.destroyed) return;
        socket.write(frameMessage(answer));
        if (socket.writableLength > mostUnread) socket.destroy();
      });
    }, longestQuery);
    socket.on('data', (chunk: Buffer) => {
      if (!reader.read(chunk)) socket.destroy();
    });
    socket.setTimeout(quietMs, () => socket.destroy());
    socket.on('error', () => undefined);
    socket.on('close', () => connections.delete(socket));
  });
  server.maxConnections = mostConnections;
  return server;
}
