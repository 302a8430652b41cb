import { concatBytes } from '../../base/stream.ts';
import { demultiplexChunks, type StreamPiece } from '../../client/stream.ts';
import type { Output } from '../output.ts';

/** Which of a container's streams the caller wants to see. */
export interface Wanted {
  readonly stdout: boolean;
  readonly stderr: boolean;
}

/** Copies a container's output to the own streams; with a terminal it is raw, else multiplexed. Ends with the stream. */
export async function copyOutput(
  output: Output,
  body: AsyncIterable<Uint8Array>,
  isTty: boolean,
  wanted: Wanted = { stdout: true, stderr: true },
): Promise<void> {
  if (isTty) {
    for await (const bytes of body) if (wanted.stdout) await output.bytes(1, bytes);
    return;
  }
  for await (const pieces of demultiplexChunks(body)) {
    for (const { stream, bytes } of joinRuns(pieces)) {
      if (stream === 'systemerr') throw new Error(`error from daemon in stream: ${new TextDecoder().decode(bytes)}`);
      if (stream === 'stderr' ? wanted.stderr : wanted.stdout) await output.bytes(stream === 'stderr' ? 2 : 1, bytes);
    }
  }
}

/** Pieces of the same stream that follow each other as one: lines are short, and each write costs a system call. */
function* joinRuns(pieces: readonly StreamPiece[]): Generator<StreamPiece, void, undefined> {
  for (let from = 0, to = 0; from < pieces.length; from = to) {
    const stream = pieces[from]?.stream ?? 'stdout';
    while (to < pieces.length && pieces[to]?.stream === stream) to++;
    yield { stream, bytes: concatBytes(pieces.slice(from, to).map((piece) => piece.bytes)) };
  }
}
