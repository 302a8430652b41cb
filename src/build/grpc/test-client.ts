import { once } from 'node:events';
import net from 'node:net';
import type { TestContext } from 'node:test';
import { silentLogger } from '../../base/log.ts';
import { connectGrpc, type GrpcClient } from './client.ts';
import { type Method, serveGrpc } from './server.ts';

/** For tests: a client of a server with these methods, on a socket; gone with the test. */
export async function clientOf(t: TestContext, methods: Readonly<Record<string, Method>>): Promise<GrpcClient> {
  const served = new Map(Object.entries(methods));
  const server = net.createServer((socket) => {
    t.after(() => socket.destroy());
    void serveGrpc(socket, served, silentLogger);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const socket = net.connect((server.address() as net.AddressInfo).port, '127.0.0.1');
  await once(socket, 'connect');
  const client = connectGrpc(socket, silentLogger);
  t.after(() => client.close());
  return client;
}
