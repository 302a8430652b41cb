import { humanSize } from '../../base/text/units.ts';
import type { Session } from '../session.ts';
import { isTerminal } from '../terminal/tty.ts';

/** How many bytes a copy has moved. */
export interface CopyProgress {
  bytes: number;
}

/** A stream whose bytes are counted as they pass. */
export async function* counted(
  stream: AsyncIterable<Uint8Array>,
  progress: CopyProgress,
): AsyncGenerator<Uint8Array, void> {
  for await (const chunk of stream) {
    progress.bytes += chunk.length;
    yield chunk;
  }
}

const intervalMs = 200;

/** Shows on standard error how far a copy is, and at its end how much it was. */
export async function showCopyProgress(
  session: Session,
  header: string,
  target: string,
  copy: (progress: CopyProgress) => Promise<void>,
): Promise<void> {
  const progress: CopyProgress = { bytes: 0 };
  const drawn = isTerminal(2);
  const draw = (): void => session.err(`\r\u001b[2K${header}${humanSize(progress.bytes, 3)}`);
  const timer = drawn ? setInterval(draw, intervalMs) : undefined;
  try {
    await copy(progress);
  } finally {
    clearInterval(timer);
    if (drawn) session.err('\r\u001b[2K');
  }
  session.err(`Successfully copied ${humanSize(progress.bytes, 3)} to ${target}\n`);
}
