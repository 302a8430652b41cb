import { createHash, randomBytes } from 'node:crypto';
import { Http2Connection } from '../../../client/http2/connection.ts';
import type { EngineClient, Hijacked } from '../../../client/client.ts';
import { type Method, serveCall } from './grpc.ts';

const prefix = 'X-Docker-Expose-Session-';

/** A name that nobody else has: of a build, a session, an upload. */
export const randomName = (): string => randomBytes(16).toString('hex');

export interface OpenSession {
  readonly id: string;
  close(): Promise<void>;
}

/**
 * Opens a session with the engine: it may call these methods while the session is open. `folder` makes the engine remember
 * what it has of one folder.
 */
export async function openSession(
  client: EngineClient,
  methods: ReadonlyMap<string, Method>,
  folder: string,
): Promise<OpenSession> {
  const id = randomName();
  const connection = await client.hijack('/session', {
    upgrade: 'h2c',
    headers: {
      [`${prefix}Uuid`]: id,
      [`${prefix}Name`]: 'gantry',
      [`${prefix}Sharedkey`]: folder === '' ? '' : createHash('sha256').update(folder).digest('hex'),
      [`${prefix}Grpc-Method`]: [...methods.keys()],
    },
  });
  const session = new Http2Connection(connection, {
    role: 'server',
    onStream: (stream) => void serveCall(stream, methods),
  });
  return { id, close: () => session.close() };
}

/** The connection on which the engine is asked to build. */
export async function openControl(client: EngineClient): Promise<Http2Connection> {
  const connection: Hijacked = await client.hijack('/grpc', { upgrade: 'h2c' });
  return new Http2Connection(connection, { role: 'client' });
}
