import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { ProxiedPort } from '../../spec/resolver/proxy.ts';

/** Listens on the port and copies each connection to the container, both ways, half-closed ends included. */
export async function proxyTcp(port: ProxiedPort): Promise<AsyncDisposable> {
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const target = connect({ host: port.targetIp, port: port.targetPort, allowHalfOpen: true, noDelay: true });
    join(client, target, open);
  });
  // The engine keeps the port bound under the same option, so that no other program gets in between.
  server.listen({ host: port.hostIp, port: port.hostPort, ipv6Only: true, reusePort: true });
  await once(server, 'listening');
  return { [Symbol.asyncDispose]: () => close(server, open) };
}

/** `pipe` ends the other side with an end, and stops reading when the other side is slow; errors reset both. */
function join(client: Socket, target: Socket, open: Set<Socket>): void {
  for (const [socket, other] of [
    [client, target],
    [target, client],
  ] as const) {
    open.add(socket);
    socket.on('error', () => other.resetAndDestroy());
    socket.on('close', () => {
      open.delete(socket);
      // Without both directions ended this was no orderly end.
      if (!other.writableEnded) other.destroy();
    });
    socket.pipe(other);
  }
}

async function close(server: Server, open: Set<Socket>): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  for (const socket of open) socket.destroy();
  await closed;
}
