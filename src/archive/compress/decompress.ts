import { Readable, type Transform } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { EngineError, messageOf } from '../../base/errors.ts';
import { concatBytes, type ByteStream } from '../../base/stream.ts';
import { decompressByProgram } from './_programs.ts';
import { type Compression, detectIn } from './detect.ts';

export interface DecompressOptions {
  /** Decompressed bytes after which the stream fails with `invalid`: the guard against bombs. */
  readonly maxBytes: number;
  /** For messages: `layer sha256:...`. */
  readonly what: string;
  readonly signal?: AbortSignal;
}

/** With zlib's default of 16 KiB inflating costs twice the CPU. */
const chunkSize = 1 << 20;

/**
 * The decompressed bytes of `source`, whose compression is found by its magic number; plain bytes pass unchanged.
 * Inflating happens in Node's thread pool, or for bzip2 and xz in a program of the host, at most a chunk ahead of the
 * reader.
 * @throws EngineError `corrupt` for damaged or cut streams, `invalid` beyond `maxBytes`, `unavailable` without the program.
 */
export async function* decompress(
  source: ByteStream,
  options: DecompressOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { compression, whole } = await detectIn(source);
  yield* limited(expand(compression, whole, options), options);
}

/** The same bytes. @throws EngineError `invalid` beyond `maxBytes` */
export async function* limited(
  source: ByteStream,
  { maxBytes, what }: Pick<DecompressOptions, 'maxBytes' | 'what'>,
): AsyncGenerator<Uint8Array, void, undefined> {
  let left = maxBytes;
  for await (const chunk of source) {
    left -= chunk.length;
    if (left < 0) throw new EngineError('invalid', `${what} is larger than the allowed ${maxBytes} bytes`);
    yield chunk;
  }
}

function expand(compression: Compression, whole: ByteStream, options: DecompressOptions): ByteStream {
  switch (compression) {
    case 'none':
      return whole;
    case 'gzip':
      return through(createGunzip({ chunkSize }), whole, options);
    case 'zstd':
      return through(createZstdDecompress({ chunkSize }), whole, options);
    case 'bzip2':
    case 'xz':
      return decompressByProgram(compression, whole, options);
  }
}

/** Errors of zlib, by what its codes begin with; other errors are the source's own. */
const isDecoderError = (error: unknown): boolean => {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' && (code.startsWith('Z_') || code.startsWith('ZSTD_') || code.startsWith('ERR_ZSTD'));
};

async function* through(
  decoder: Transform,
  source: ByteStream,
  { what, signal }: DecompressOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const input = Readable.from(gathered(source), { objectMode: false, highWaterMark: chunkSize });
  input.on('error', (error) => decoder.destroy(error));
  input.pipe(decoder);
  const abort = (): unknown => decoder.destroy(new EngineError('cancelled', `reading ${what} was cancelled`));
  signal?.addEventListener('abort', abort, { once: true });
  if (signal?.aborted === true) abort();
  try {
    for await (const chunk of decoder) yield chunk as Buffer;
  } catch (error) {
    if (!isDecoderError(error)) throw error;
    throw new EngineError('corrupt', `${what} cannot be decompressed: ${messageOf(error)}`, { cause: error });
  } finally {
    signal?.removeEventListener('abort', abort);
    input.destroy();
    decoder.destroy();
  }
}

/** A request's body comes in pieces of 64 KiB; each would be a trip to the thread pool of its own. */
const leastInput = 512 * 1024;

/** The same bytes in fewer pieces: none but the last is smaller than `leastInput`. */
async function* gathered(source: ByteStream): AsyncGenerator<Uint8Array, void, undefined> {
  let chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of source) {
    chunks.push(chunk);
    length += chunk.length;
    if (length < leastInput) continue;
    yield concatBytes(chunks);
    chunks = [];
    length = 0;
  }
  if (length > 0) yield concatBytes(chunks);
}
