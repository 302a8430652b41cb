import type { Duplex } from 'node:stream';
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
  client: Duplex,
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
    else if (!stop.aborted) client.resume();
  };
  const onData = (chunk: Uint8Array): void => {
    // Paused until the target took it: the connection's buffer, then the client, wait meanwhile.
    client.pause();
    // A failing write means that the process is gone: what is left of its input has no reader.
    pass(chunk).catch(() => finish('closed'));
  };
  const onEnd = (): void => {
    if (!stop.aborted) target.closeStdin();
    finish('eof');
  };
  const onClose = (): void => finish('closed');
  const finish = (how: 'eof' | 'detached' | 'closed'): void => {
    client.off('data', onData);
    client.off('end', onEnd);
    client.off('close', onClose);
    stop.removeEventListener('abort', onClose);
    resolve(how);
  };
  // The end came, and was told, while the process was being started.
  if (client.readableEnded) {
    onEnd();
    return promise;
  }
  client.on('data', onData);
  client.once('end', onEnd);
  client.once('close', onClose);
  stop.addEventListener('abort', onClose, { once: true });
  client.resume();
  return promise;
}
