import { EventEmitter } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { readAll } from '../../src/base/stream.ts';
import { answers } from './_answers.ts';

/** A request as the fake engine saw it; the version prefix is taken off. */
export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string[]>>;
  readonly body: unknown;
}

/** An engine of canned answers, so that two clients can be given exactly the same. */
export interface FakeEngine extends Disposable {
  readonly socket: string;
  /** Requests since the last call, pings left out. */
  takeRequests(): SeenRequest[];
  /** The next request, after those that were waited for, whose path ends with `operation`. */
  sees(operation: string): Promise<SeenRequest>;
}

/** What the engine remembers from one request to the next. */
export interface State {
  isPulled: boolean;
  isTty: boolean;
  /** The container says something, and stays. */
  isPatient: boolean;
  /** When the last attached container has ended; at once when nobody attached. */
  ended: Promise<void>;
}

export interface Exchange {
  readonly state: State;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly seen: SeenRequest;
}

/** Listens on a unix socket at `path`. */
export async function startFakeEngine(path: string): Promise<FakeEngine> {
  let seen: SeenRequest[] = [];
  const upgraded = new Set<Duplex>();
  const arrivals = new EventEmitter();
  const state: State = { isPulled: false, isTty: false, isPatient: false, ended: Promise.resolve() };
  const server = createServer((request, response) => void serve(request, response));
  const read = async (request: IncomingMessage): Promise<SeenRequest> => {
    const url = new URL(request.url ?? '/', 'http://engine');
    const query: Record<string, string[]> = {};
    for (const name of new Set(url.searchParams.keys())) query[name] = url.searchParams.getAll(name);
    const bytes = await readAll(request, 64 << 20);
    const isJson = request.headers['content-type'] === 'application/json' && bytes.length > 0;
    const text = new TextDecoder().decode(bytes);
    const body = isJson ? (JSON.parse(text) as unknown) : bytes.length === 0 ? undefined : text;
    return { method: request.method ?? '', path: decodeURI(url.pathname.replace(/^\/v1\.\d+/, '')), query, body };
  };
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const one = await read(request);
    response.setHeader('Api-Version', '1.49');
    response.setHeader('OSType', 'linux');
    response.setHeader('Server', 'Fake');
    if (one.path === '/_ping') {
      response.setHeader('Content-Type', 'text/plain');
      response.end(one.method === 'HEAD' ? '' : 'OK');
      return;
    }
    seen.push(one);
    arrivals.emit('request');
    await answers({ request, response, seen: one, state });
  };
  server.on('upgrade', (request: IncomingMessage, socket: Duplex) => void upgrade(request, socket));
  const upgrade = async (request: IncomingMessage, socket: Duplex): Promise<void> => {
    const one = await read(request);
    seen.push(one);
    if (one.path.startsWith('/exec/')) state.isTty = (one.body as { Tty: boolean }).Tty;
    upgraded.add(socket);
    state.ended = hijack(one, socket, state);
  };
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    socket: path,
    sees: async (operation) => {
      for (;;) {
        const at = seen.findIndex(({ path }) => path.endsWith(`/${operation}`));
        const found = seen[at];
        if (found !== undefined) {
          seen.splice(0, at + 1);
          return found;
        }
        await new Promise<void>((resolve) => arrivals.once('request', resolve));
      }
    },
    takeRequests: () => {
      const taken = seen;
      seen = [];
      return taken;
    },
    [Symbol.dispose]: () => {
      for (const socket of upgraded) socket.destroy();
      server.closeAllConnections();
      server.close();
    },
  };
}

const frame = (stream: number, text: string): Buffer => {
  const payload = Buffer.from(text);
  const header = Buffer.alloc(8);
  header[0] = stream;
  header.writeUInt32BE(payload.length, 4);
  return Buffer.concat([header, payload]);
};

/** What `attach` and `exec` say: both streams, then whatever came in, in upper case. Ends with the connection. */
function hijack({ path, query }: SeenRequest, socket: Duplex, { isTty, isPatient }: State): Promise<void> {
  const closed = new Promise<void>((resolve) => socket.once('close', resolve));
  socket.on('error', () => undefined);
  if (path.includes('missing')) {
    const body = JSON.stringify({ message: 'No such container: missing' });
    socket.end(
      `HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    return closed;
  }
  const type = isTty ? 'raw' : 'multiplexed';
  socket.write(
    `HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.${type}-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nApi-Version: 1.49\r\n\r\n`,
  );
  if (isTty) terminal(socket);
  else if (isPatient) socket.write(frame(1, 'here\n'));
  else streams(socket, query['stdin'] !== undefined || path.startsWith('/exec/'));
  return closed;
}

function streams(socket: Duplex, takesInput: boolean): void {
  socket.write(frame(1, 'to stdout\n'));
  socket.write(frame(2, 'to stderr\n'));
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  const finish = () => {
    const input = Buffer.concat(chunks).toString();
    if (input !== '') socket.write(frame(1, input.toUpperCase()));
    socket.end();
  };
  // Without input the other side only half-closes: that is no reason to wait for it.
  socket.on('end', finish);
  if (!takesInput) finish();
}

/** A program that names every byte that is typed, and ends at a `q`. */
function terminal(socket: Duplex): void {
  socket.write('ready\r\n');
  socket.on('data', (chunk: Buffer) => {
    for (const byte of chunk) socket.write(`<${byte}>`);
    if (chunk.includes('q'.charCodeAt(0))) socket.end('bye\r\n');
  });
  socket.on('end', () => socket.end());
}
