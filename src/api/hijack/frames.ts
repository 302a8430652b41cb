/** Docker's multiplexed stream: each chunk behind 8 bytes, its stream (1 stdout, 2 stderr) and its length. */
export const multiplexedStream = 'application/vnd.docker.multiplexed-stream';
export const rawStream = 'application/vnd.docker.raw-stream';

/** Longest payload whose header is glued to it instead of being written apart. */
const glueLimit = 16 * 1024;

let last: { stream: 1 | 2; bytes: Uint8Array; chunks: readonly Uint8Array[] } | undefined;

/**
 * The chunks to write for one piece of output. Asked for the same piece again, as for each of many clients, it gives
 * the same chunks: what waits for a thousand stalled clients is in memory once.
 */
export function frame(stream: 1 | 2, bytes: Uint8Array): readonly Uint8Array[] {
  if (last?.bytes !== bytes || last.stream !== stream) last = { stream, bytes, chunks: framed(stream, bytes) };
  return last.chunks;
}

function framed(stream: 1 | 2, bytes: Uint8Array): readonly Uint8Array[] {
  const glued = bytes.length <= glueLimit;
  const header = Buffer.allocUnsafe(glued ? 8 + bytes.length : 8);
  header.writeUInt32BE(stream << 24, 0);
  header.writeUInt32BE(bytes.length, 4);
  if (!glued) return [header, bytes];
  header.set(bytes, 8);
  return [header];
}

/** The content type of a container's output: before API 1.42 multiplexed streams were called raw as well. */
export const streamType = (multiplexed: boolean, minor: number): string =>
  multiplexed && minor >= 42 ? multiplexedStream : rawStream;
