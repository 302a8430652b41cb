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
 * @returns why it ended: the client's end of input, the detach sequence, or the end of connection or process.
 */
export function pumpStdin(
  socket: Socket,
  target: StdinTarget,
  detachKeys: readonly number[] | undefined,
  stop: AbortSignal,
): Promise<'eof' | 'detached' | 'closed'> {
  const { promise, resolve } = Promise.withResolvers<'eof' | 'detached' | 'closed'>();
  const matcher = detachKeys === undefined ? undefined : new DetachMatcher(detachKeys);
  const pass = async (chunk: Uint8Array): Promise<void> => {
    const { pass: bytes, detached } = matcher?.feed(chunk) ?? { pass: chunk, detached: false };
    if (bytes.length > 0) await target.write(bytes);
    if (detached) finish('detached');
    else if (!stop.aborted) socket.resume();
  };
  const onData = (chunk: Uint8Array): void => {
    // Paused until the target took it: the socket's buffer, then the client, wait meanwhile.
    socket.pause();
    // A failing write means that the process is gone: what is left of its input has no reader.
    pass(chunk).catch(() => finish('closed'));
  };
  const onEnd = (): void => {
    if (!stop.aborted) target.closeStdin();
    finish('eof');
  };
  const onClose = (): void => finish('closed');
  const finish = (how: 'eof' | 'detached' | 'closed'): void => {
    socket.off('data', onData);
    socket.off('end', onEnd);
    socket.off('close', onClose);
    stop.removeEventListener('abort', onClose);
    resolve(how);
  };
  socket.on('data', onData);
  socket.once('end', onEnd);
  socket.once('close', onClose);
  stop.addEventListener('abort', onClose, { once: true });
  socket.resume();
  return promise;
}
