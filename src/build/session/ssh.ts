import { type ByteStream, inPieces } from '../../base/stream.ts';
import { chmod, chown, mkdir, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { once } from 'node:events';
import { invalid } from '../../base/errors.ts';
import { randomHex64 } from '../../base/ids.ts';
import { asEngineError, GrpcError, statusCodes } from '../grpc/status.ts';
import { callUnary, type GrpcClient } from '../grpc/client.ts';
import { decode } from '../wire/decode.ts';
import { encode } from '../wire/encode.ts';
import { bytesMessage, checkAgentRequest, nothing } from '../wire/session.ts';
import type { Session } from './session.ts';

const service = '/moby.sshforward.v1.SSH';

/** Whether the client forwards an agent, or a socket, of that id. @throws EngineError */
export async function hasAgent(session: Session, id: string, signal: AbortSignal): Promise<boolean> {
  if (!session.methods.has(`${service}/CheckAgent`)) return false;
  try {
    await callUnary(session.client, `${service}/CheckAgent`, {
      request: checkAgentRequest,
      response: nothing,
      draft: { id },
      signal,
    });
    return true;
  } catch (error) {
    // Clients say of an id that they have not what comes to their mind: an unknown error, mostly.
    if (error instanceof GrpcError && [statusCodes.unknown, statusCodes.notFound].includes(error.status as 2 | 5))
      return false;
    throw asEngineError(error);
  }
}

/** Whom a socket belongs to, and its permission bits. */
export interface SocketOwner {
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
}

/** A socket that leads to the client's agent. `close` ends its connections and takes it away. */
export interface AgentSocket {
  readonly path: string;
  close(): Promise<void>;
}

/** Where a socket is to be. */
export interface SocketPlace {
  /** A folder that only the engine can enter, or whose owner runs nothing yet. */
  readonly directory: string;
  readonly owner: SocketOwner;
  /** Who sees the folder may go to the socket; else it is shown by itself. */
  readonly enterable?: boolean;
  readonly signal: AbortSignal;
}

/** The most that the path of a socket may have (unix(7)). */
const longestPath = 107;

/** Opens one in a folder of its own. @throws EngineError */
export async function agentSocket(
  session: Session,
  id: string,
  { directory, owner, enterable = false, signal }: SocketPlace,
): Promise<AgentSocket> {
  const folder = join(directory, randomHex64().slice(0, 12));
  const path = join(folder, 'agent');
  if (Buffer.byteLength(path) > longestPath) {
    throw invalid(`the path of an agent's socket would be too long: ${path} has more than ${longestPath} bytes`);
  }
  await mkdir(folder, { mode: enterable ? 0o711 : 0o700 });
  const connections = new Set<Socket>();
  // Who has asked all may still wait for answers.
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    connections.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => connections.delete(socket));
    forward(session.client, id, socket, signal).catch(() => void socket.destroy());
  });
  const close = async (): Promise<void> => {
    for (const socket of connections) socket.destroy();
    if (server.listening) {
      server.close();
      await once(server, 'close');
    }
    await rm(folder, { recursive: true, force: true });
  };
  try {
    server.listen(path);
    await once(server, 'listening');
    await chown(path, owner.uid, owner.gid);
    await chmod(path, owner.mode);
    return { path, close };
  } catch (error) {
    await close();
    throw error;
  }
}

const pieceBytes = 256 << 10;

/** Carries bytes both ways until one side ends. */
async function forward(client: GrpcClient, id: string, socket: Socket, signal: AbortSignal): Promise<void> {
  const call = client.call(`${service}/ForwardAgent`, { metadata: { 'buildkit.ssh.id': id }, signal });
  socket.once('close', () => call.cancel());
  const up = (async () => {
    const bytes: ByteStream = socket.iterator({ destroyOnReturn: false });
    for await (const data of inPieces(bytes, pieceBytes)) await call.send(encode(bytesMessage, { data }));
    call.end();
  })();
  const down = (async () => {
    for await (const message of call.messages) {
      const { data } = decode(bytesMessage, message);
      if (!socket.write(data)) await Promise.race([once(socket, 'drain'), once(socket, 'close')]);
    }
    socket.end();
  })();
  await Promise.all([up, down]);
}
