import { readFileSync } from 'node:fs';
import type * as Http from 'node:http';
import type net from 'node:net';
import { EngineError, invalid, messageOf } from '../../base/errors.ts';

/** PEM files of a listener with TLS. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  /** Certificates of the CA that clients must have theirs from. */
  readonly ca: string | undefined;
  /** Clients without such a certificate are refused. */
  readonly verify: boolean;
}

/** So many connections at once a listener: beyond it they are closed at once, and file descriptors stay for the rest. */
export const mostConnections = 4096;

/**
 * A server that speaks HTTP inside TLS 1.2 or newer. The files are read now. @throws invalid naming what is wrong
 */
export function secureServer(options: Http.ServerOptions, { cert, key, ca, verify }: TlsFiles): Http.Server {
  // Loaded when it is needed: TLS costs megabytes that most engines never use.
  const https = process.getBuiltinModule('node:https');
  try {
    return https.createServer({
      ...options,
      cert: readFileSync(cert),
      key: readFileSync(key),
      ...(ca === undefined ? {} : { ca: readFileSync(ca) }),
      requestCert: verify,
      rejectUnauthorized: verify,
      minVersion: 'TLSv1.2',
      ALPNProtocols: ['http/1.1'],
      handshakeTimeout: 10_000,
      // As node:http has it for plain sockets: a client that has sent all its stdin still wants the output.
      allowHalfOpen: true,
    });
  } catch (error) {
    throw invalid(`cannot use the TLS files ${cert} and ${key}: ${messageOf(error)}`, error);
  }
}

/** Gives the port: the wanted one, or for 0 the one that the kernel chose. @throws conflict when it is taken */
export async function listenOnPort(server: net.Server, host: string, port: number): Promise<number> {
  await listening(server, () => server.listen({ host, port }), `${host}:${port}`);
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : port;
}

/** Serves a socket that is listening already. @throws invalid when it is none */
export async function listenOnDescriptor(server: net.Server, fd: number): Promise<void> {
  await listening(server, () => server.listen({ fd }), `descriptor ${fd}`);
}

async function listening(server: net.Server, listen: () => void, where: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('listening', resolve);
  server.once('error', reject);
  try {
    listen();
    await promise;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const kind = code === 'EADDRINUSE' ? 'conflict' : 'invalid';
    throw new EngineError(kind, `cannot listen on ${where}: ${messageOf(error)}`, { cause: error });
  } finally {
    server.off('listening', resolve);
    server.off('error', reject);
  }
}
