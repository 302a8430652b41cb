import { readFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import type { Socket } from 'node:net';
import type { Endpoint, SshEndpoint, TlsFiles } from './endpoint.ts';
import { Inbox } from './socket.ts';
import type { ByteSocket } from './socket.ts';

/** A connection by way of node:net, or node:tls when the endpoint asks for it. */
export async function connectNode(endpoint: Exclude<Endpoint, SshEndpoint>): Promise<ByteSocket> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = await open(endpoint, () => resolve());
  socket.once('error', reject);
  await promise;
  socket.removeListener('error', reject);
  return wrap(socket);
}

async function open(endpoint: Exclude<Endpoint, SshEndpoint>, onReady: () => void): Promise<Socket> {
  if (endpoint.kind === 'unix') return createConnection({ path: endpoint.path, allowHalfOpen: true }, onReady);
  const { host, port, tls } = endpoint;
  if (tls === undefined) return createConnection({ host, port, allowHalfOpen: true, noDelay: true }, onReady);
  const { connect } = await import('node:tls');
  return connect({ host, port, servername: /^[0-9.:]+$/.test(host) ? '' : host, ...tlsOptions(tls) }, onReady);
}

const tlsOptions = (tls: TlsFiles) => ({
  rejectUnauthorized: tls.verify,
  ...(tls.ca === undefined ? {} : { ca: readFileSync(tls.ca) }),
  ...(tls.cert === undefined ? {} : { cert: readFileSync(tls.cert) }),
  ...(tls.key === undefined ? {} : { key: readFileSync(tls.key) }),
});

function wrap(socket: Socket): ByteSocket {
  const inbox = new Inbox(() => socket.resume());
  let failure: Error | undefined;
  socket.on('data', (chunk: Buffer) => {
    if (!inbox.push(chunk)) socket.pause();
  });
  socket.on('end', () => inbox.end());
  socket.on('error', (error) => {
    failure = error;
    inbox.end(error);
  });
  socket.on('close', () => inbox.end());
  return {
    read: () => inbox.read(),
    write: (bytes) => {
      if (failure !== undefined) return Promise.reject(failure);
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      socket.write(bytes, (error) => (error == null ? resolve() : reject(error)));
      return promise;
    },
    end: () => void socket.end(),
    destroy: () => {
      inbox.end();
      socket.destroy();
    },
  };
}
