import { concatBytes, type ByteStream } from '../../base/stream.ts';

/** How a stream is compressed, by its first bytes. */
export type Compression = 'none' | 'gzip' | 'zstd' | 'bzip2' | 'xz';

/** As many bytes as `detectCompression` wants to see, when the stream has them. */
export const magicLength = 6;

const magics: readonly (readonly [Compression, readonly number[]])[] = [
  ['gzip', [0x1f, 0x8b, 0x08]],
  ['zstd', [0x28, 0xb5, 0x2f, 0xfd]],
  ['bzip2', [0x42, 0x5a, 0x68]],
  ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
];

/** Looks at the magic number (RFC 1952, RFC 8878 with its skippable frames, and the de facto ones of bzip2 and xz). */
export function detectCompression(start: Uint8Array): Compression {
  for (const [compression, magic] of magics) {
    if (magic.every((byte, at) => start[at] === byte)) return compression;
  }
  const isSkippableFrame =
    ((start[0] ?? 0) & 0xf0) === 0x50 && start[1] === 0x2a && start[2] === 0x4d && start[3] === 0x18;
  return isSkippableFrame ? 'zstd' : 'none';
}

/**
 * How a stream is compressed, and the stream with all its bytes; whoever does not read that calls its `return` after
 * the first `next`, or the source stays open.
 */
export async function detectIn(source: ByteStream): Promise<{ compression: Compression; whole: ByteStream }> {
  const rest = source[Symbol.asyncIterator]();
  const chunks: Uint8Array[] = [];
  for (let length = 0; length < magicLength; ) {
    const next = await rest.next();
    if (next.done === true) break;
    chunks.push(next.value);
    length += next.value.length;
  }
  const start = concatBytes(chunks);
  return { compression: detectCompression(start), whole: rejoin(start, rest) };
}

async function* rejoin(
  start: Uint8Array,
  rest: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    if (start.length > 0) yield start;
    for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
  } finally {
    await rest.return?.();
  }
}
