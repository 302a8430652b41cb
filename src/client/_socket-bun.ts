import type { Endpoint, SshEndpoint } from './endpoint.ts';
import { Inbox } from './socket.ts';
import type { ByteSocket } from './socket.ts';

/** The parts of Bun's socket that are used here. */
interface BunSocket {
  write(bytes: Uint8Array): number;
  flush(): void;
  shutdown(halfClose?: boolean): void;
  terminate(): void;
  pause?(): void;
  resume?(): void;
}
interface BunHandlers {
  binaryType: 'uint8array';
  data(socket: BunSocket, bytes: Uint8Array): void;
  drain(): void;
  end(): void;
  close(): void;
  error(socket: BunSocket, error: Error): void;
}
interface BunRuntime {
  connect(
    options: { socket: BunHandlers; allowHalfOpen: true } & ({ unix: string } | { hostname: string; port: number }),
  ): Promise<BunSocket>;
}

/** A connection by way of Bun's own sockets. */
export async function connectBun(endpoint: Exclude<Endpoint, SshEndpoint>): Promise<ByteSocket> {
  const { Bun } = globalThis as unknown as { Bun: BunRuntime };
  let socket: BunSocket | undefined;
  let failure: Error | undefined;
  let onDrain: (() => void) | undefined;
  const inbox = new Inbox(() => socket?.resume?.());
  const closed = (error?: Error) => {
    failure ??= error ?? new Error('the connection is closed');
    inbox.end(error);
    onDrain?.();
  };
  const handlers: BunHandlers = {
    binaryType: 'uint8array',
    data(from, bytes) {
      if (!inbox.push(bytes)) from.pause?.();
    },
    drain: () => onDrain?.(),
    end: () => inbox.end(),
    close: () => closed(),
    error: (_, error) => closed(error),
  };
  socket = await Bun.connect({
    socket: handlers,
    allowHalfOpen: true,
    ...(endpoint.kind === 'unix' ? { unix: endpoint.path } : { hostname: endpoint.host, port: endpoint.port }),
  });
  const open = socket;
  return {
    read: () => inbox.read(),
    async write(bytes) {
      let sent = 0;
      while (sent < bytes.length) {
        if (failure !== undefined) throw failure;
        const count = open.write(sent === 0 ? bytes : bytes.subarray(sent));
        if (count < 0) throw failure ?? new Error('the connection is closed');
        sent += count;
        if (sent >= bytes.length) break;
        const { promise, resolve } = Promise.withResolvers<void>();
        onDrain = resolve;
        await promise;
        onDrain = undefined;
      }
    },
    end: () => {
      open.flush();
      open.shutdown();
    },
    destroy: () => {
      inbox.end();
      open.terminate();
    },
  };
}
