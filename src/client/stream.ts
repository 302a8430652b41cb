/** Splits a byte stream into the JSON values it holds and decodes each. */
export async function* decodeJsonStream<T>(body: AsyncIterable<Uint8Array>): AsyncGenerator<T, void, undefined> {
  for await (const text of jsonTexts(body)) yield JSON.parse(text) as T;
}

/**
 * The texts of the JSON objects in a byte stream, each as soon as it is complete, whether newlines separate them or
 * nothing does.
 */
export async function* jsonTexts(body: AsyncIterable<Uint8Array>): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder();
  let rest = '';
  let scanned = 0;
  let depth = 0;
  let inString = false;
  for await (const chunk of body) {
    rest += decoder.decode(chunk, { stream: true });
    let from = 0;
    for (; scanned < rest.length; scanned++) {
      const char = rest[scanned];
      if (inString) {
        if (char === '\\') scanned++;
        else if (char === '"') inString = false;
      } else if (char === '"') inString = true;
      else if (char === '{' || char === '[') depth++;
      else if ((char === '}' || char === ']') && --depth === 0) {
        yield rest.slice(from, scanned + 1).trim();
        from = scanned + 1;
      }
    }
    rest = rest.slice(from);
    scanned -= from;
  }
  if (rest.trim() !== '') throw new Error('unexpected EOF');
}

/** Which standard stream a frame of a multiplexed stream belongs to. */
export type StreamName = 'stdin' | 'stdout' | 'stderr' | 'systemerr';
const names: readonly StreamName[] = ['stdin', 'stdout', 'stderr', 'systemerr'];

export interface StreamPiece {
  readonly stream: StreamName;
  readonly bytes: Uint8Array;
}

/**
 * Takes apart a stream multiplexed as Docker does for containers without a terminal: a header of 8 bytes (stream, three
 * zeros, length in big endian), then the payload. Payloads are passed on as they come, possibly in pieces.
 */
export async function* demultiplex(body: AsyncIterable<Uint8Array>): AsyncGenerator<StreamPiece, void, undefined> {
  for await (const pieces of demultiplexChunks(body)) yield* pieces;
}

/** As `demultiplex`, with all pieces of what came at once together: a log of a million lines comes in some hundred. */
export async function* demultiplexChunks(
  body: AsyncIterable<Uint8Array>,
): AsyncGenerator<readonly StreamPiece[], void, undefined> {
  const header = new Uint8Array(8);
  let filled = 0;
  let missing = 0;
  let stream: StreamName = 'stdout';
  for await (const chunk of body) {
    const pieces: StreamPiece[] = [];
    let at = 0;
    while (at < chunk.length) {
      if (missing > 0) {
        const bytes = chunk.subarray(at, at + missing);
        at += bytes.length;
        missing -= bytes.length;
        pieces.push({ stream, bytes });
        continue;
      }
      const part = chunk.subarray(at, at + 8 - filled);
      header.set(part, filled);
      filled += part.length;
      at += part.length;
      if (filled < 8) continue;
      filled = 0;
      const name = names[header[0] as number];
      if (name === undefined) throw new Error(`Unrecognized input header: ${header[0]}`);
      stream = name;
      missing = new DataView(header.buffer).getUint32(4);
    }
    yield pieces;
  }
}
