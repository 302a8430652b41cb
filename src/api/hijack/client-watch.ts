import type { HijackedClient, StdioWishes } from './session.ts';

/** How often a client that has ended its input is looked at. */
const lookMs = 500;
/** A frame of stdout with nothing in it: clients take it for no output. */
const emptyFrame = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);
const nothing = Buffer.alloc(0);

/**
 * Notices that a client is gone, for one whose leaving matters. The end of its input alone does not say so: a client
 * without input ends it at once and waits for output. But an empty frame that cannot be written does. A terminal's output
 * has no frames. A client that types has no reason to end its input: there the end counts. To one that only looks,
 * nothing at all is written, which a local socket refuses when its other end is closed.
 */
export function watchClient({ stream }: HijackedClient, wishes: StdioWishes): { stop(): void } {
  const gone = (): void => void stream.destroy();
  let timer: NodeJS.Timeout | undefined;
  const onEnd = (): void => {
    if (!wishes.multiplexed && wishes.stdin) return gone();
    const probe = wishes.multiplexed ? emptyFrame : nothing;
    timer ??= setInterval(() => {
      if (stream.writable && stream.writableLength === 0) stream.write(probe);
    }, lookMs);
  };
  if (stream.readableEnded) onEnd();
  else stream.once('end', onEnd);
  return {
    stop: () => {
      clearInterval(timer);
      stream.off('end', onEnd);
    },
  };
}
