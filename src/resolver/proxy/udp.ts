import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { ProxiedPort } from '../../spec/resolver/proxy.ts';

/** A flow without a packet for so long is over, as in the kernel's connection tracking. */
const flowTimeoutMs = 90_000;
/** One flow costs a socket; the oldest makes room for a new one. */
const mostFlows = 1024;

interface Flow {
  readonly socket: Socket;
  lastMs: number;
}

/** Listens on the port; each client gets a socket of its own towards the container, over which answers come back. */
export async function proxyUdp(port: ProxiedPort): Promise<AsyncDisposable> {
  const flows = new Map<string, Flow>();
  const drop = (key: string, flow: Flow): void => {
    flows.delete(key);
    flow.socket.close();
  };
  const server = createSocket({ type: 'udp6', ipv6Only: true, reusePort: true });
  const openFlow = (key: string, client: RemoteInfo): Flow => {
    const socket = createSocket(port.targetIp.includes(':') ? 'udp6' : 'udp4');
    const flow: Flow = { socket, lastMs: performance.now() };
    socket.on('message', (bytes) => server.send(bytes, client.port, client.address, () => undefined));
    socket.on('error', () => drop(key, flow));
    const oldest = flows.entries().next().value;
    if (flows.size >= mostFlows && oldest !== undefined) drop(...oldest);
    flows.set(key, flow);
    return flow;
  };
  server.on('message', (bytes, client) => {
    const key = `${client.address} ${client.port}`;
    const flow = flows.get(key) ?? openFlow(key, client);
    flow.lastMs = performance.now();
    flow.socket.send(bytes, port.targetPort, port.targetIp, () => undefined);
  });
  server.bind({ address: port.hostIp, port: port.hostPort });
  await once(server, 'listening');
  server.on('error', () => undefined);
  const timer = setInterval(() => {
    const before = performance.now() - flowTimeoutMs;
    for (const [key, flow] of flows) if (flow.lastMs < before) drop(key, flow);
  }, flowTimeoutMs / 3);
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      for (const [key, flow] of flows) drop(key, flow);
      const closed = once(server, 'close');
      server.close();
      await closed;
    },
  };
}
