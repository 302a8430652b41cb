/** What of a step's output clients get and the engine remembers. */
const mostBytes = 2 << 20;

/** Passes output on until a step has printed 2 MiB, and says so then. */
export function clippedLog(
  write: (stream: 1 | 2, bytes: Uint8Array) => void,
): (stream: 1 | 2, bytes: Uint8Array) => void {
  let left = mostBytes;
  return (stream, bytes) => {
    if (left <= 0) return;
    const shown = bytes.subarray(0, left);
    left -= shown.length;
    write(stream, shown);
    if (left <= 0) write(2, Buffer.from(`\n[output clipped, log limit ${mostBytes >> 20}MiB reached]\n`));
  };
}
