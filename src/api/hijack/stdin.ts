import type { Socket } from 'node:net';
import { DetachMatcher } from './detach-keys.ts';

export interface StdinTarget {
  /** Resolves when there is room for more. */
  write(bytes: Uint8Array): Promise<void>;
  closeStdin(): void;
}

/**
 * Passes on what the client sends, no faster than the target takes it, until the client ends its side.
 * @param detachKeys the sequence to look for (terminals only), or undefined.
 * @param stop ends the pump without another word to the target, which may belong to a later process by then.
 * @returns why it ended: the client's end of input, the detach sequence, or the connection's end.
 */
export async function pumpStdin(
  socket: Socket,
  target: StdinTarget,
  detachKeys: readonly number[] | undefined,
  stop: AbortSignal,
): Promise<'eof' | 'detached' | 'closed'> {
  const matcher = detachKeys === undefined ? undefined : new DetachMatcher(detachKeys);
  try {
    // Not for await: leaving that loop would destroy the socket, whose output side is still needed.
    while (!stop.aborted) {
      const chunk = socket.read() as Buffer | null;
      if (chunk === null) {
        if (socket.readableEnded) {
          target.closeStdin();
          return 'eof';
        }
        if (socket.destroyed) return 'closed';
        await readable(socket);
        continue;
      }
      const { pass, detached } = matcher?.feed(chunk) ?? { pass: chunk, detached: false };
      if (pass.length > 0) await target.write(pass);
      if (detached) return 'detached';
    }
  } catch {
    // The process is gone: what is left of its input has no reader.
    return 'closed';
  }
  return 'closed';
}

function readable(socket: Socket): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const done = () => {
    for (const event of ['readable', 'end', 'close']) socket.off(event, done);
    resolve();
  };
  for (const event of ['readable', 'end', 'close']) socket.on(event, done);
  return promise;
}
