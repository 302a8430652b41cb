import { createHash, hash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { pipeline } from 'node:stream/promises';
import { constants, createZstdCompress, createZstdDecompress } from 'node:zlib';
import { EngineError, messageOf } from '../../base/errors.ts';
import { statusResponse, storedBuild } from '../wire/control.ts';
import { decode } from '../wire/decode.ts';
import { encode } from '../wire/encode.ts';
import type { Draft, Message } from '../wire/message.ts';
import type { StatusEvent } from './job.ts';

/*
 * One file a build: a line (`gantry-build-history 1 BYTES SHA256`), so many bytes of a `storedBuild` with that digest, and a
 * zstd frame with a checksum of the documents, one behind the other, and the logs. Logs are the events, each a
 * StatusResponse behind its length (4 bytes, little endian), as BuildKit keeps them.
 */
const magic = 'gantry-build-history';
const version = 1;
const headBytes = 128;
const mostMeta = 4 << 20;
/** Of the logs of one build; what comes later is not remembered. */
const mostLogs = 32 << 20;
/** So many events are encoded at once. */
const batch = 500;

/** BuildKit's logs of a build. */
export const logsType = 'application/vnd.buildkit.status.v0';

export type StoredBuild = Message<typeof storedBuild>;

export interface BuildToStore {
  readonly record: NonNullable<Draft<typeof storedBuild>['record']>;
  readonly documents: ReadonlyMap<string, Uint8Array>;
  readonly events: AsyncIterable<StatusEvent>;
  /** Told of all events, before `more` is asked. */
  readonly onEvent: (event: StatusEvent) => void;
  /** Something that is made of all events: one more document, and what the record says of it. */
  readonly more: () => { readonly document: Uint8Array; readonly record: BuildToStore['record'] };
}

const digestOf = (bytes: Uint8Array): string => `sha256:${hash('sha256', bytes, 'hex')}`;

/** Writes a build to a file; it is there whole or not. Resolves with its bytes when it is durable. */
export async function writeBuild(path: string, build: BuildToStore): Promise<number> {
  const { logs, digest, size } = await encodeLogs(build);
  const { document, record } = build.more();
  const documents = new Map([...build.documents, [digestOf(document), document]]);
  const stored = {
    record: { ...record, logs: { mediaType: logsType, digest, size } },
    documents: [...documents].map(([name, bytes]) => ({ digest: name, size: bytes.length })),
  };
  const meta = encode(storedBuild, stored);
  const head = `${magic} ${version} ${meta.length} ${hash('sha256', meta, 'hex')}\n`;
  const part = `${path}.part`;
  try {
    const out = createWriteStream(part, { mode: 0o600, flush: true });
    await new Promise<void>((resolve, reject) => {
      out.on('error', reject);
      out.write(Buffer.concat([Buffer.from(head), meta]), () => resolve());
    });
    const compress = createZstdCompress({ params: { [constants.ZSTD_c_checksumFlag]: 1 } });
    await pipeline([...documents.values(), ...logs, Buffer.alloc(0)].values(), compress, out);
    const bytes = out.bytesWritten;
    await rename(part, path);
    await syncFolder(path);
    return bytes;
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path.slice(0, path.lastIndexOf('/')), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function encodeLogs({ events, onEvent }: BuildToStore) {
  const logs: Uint8Array[] = [];
  const sum = createHash('sha256');
  let size = 0;
  let count = 0;
  for await (const event of events) {
    onEvent(event);
    if (++count % batch === 0) await setImmediate();
    const bytes = encode(statusResponse, event);
    if (size + 4 + bytes.length > mostLogs) continue;
    const length = Buffer.alloc(4);
    length.writeUInt32LE(bytes.length);
    logs.push(length, bytes);
    sum.update(length).update(bytes);
    size += 4 + bytes.length;
  }
  return { logs, digest: `sha256:${sum.digest('hex')}`, size };
}

/** What is in front of the file. @throws EngineError `corrupt` */
export async function readBuild(path: string): Promise<{ readonly stored: StoredBuild; readonly offset: number }> {
  const file = await open(path, 'r');
  try {
    const head = Buffer.alloc(headBytes);
    const { bytesRead } = await file.read(head, 0, headBytes, 0);
    const end = head.subarray(0, bytesRead).indexOf('\n');
    const [, known, length = '', digest] =
      /^(\S+) \d+ (\d{1,8}) ([0-9a-f]{64})$/.exec(head.toString('latin1', 0, Math.max(0, end))) ?? [];
    if (known !== magic || !head.toString('latin1').startsWith(`${magic} ${version} `) || Number(length) > mostMeta) {
      throw new Error('its first line is not known');
    }
    const meta = Buffer.alloc(Number(length));
    const read = await file.read(meta, 0, meta.length, end + 1);
    if (read.bytesRead !== meta.length || hash('sha256', meta, 'hex') !== digest) throw new Error('it is damaged');
    return { stored: decode(storedBuild, meta), offset: end + 1 + meta.length };
  } catch (error) {
    throw corrupt(path, error);
  } finally {
    await file.close();
  }
}

const corrupt = (path: string, error: unknown): EngineError =>
  new EngineError('corrupt', `the record ${path.slice(path.lastIndexOf('/') + 1)} of a build: ${messageOf(error)}`, {
    cause: error,
  });

/** Documents and logs, from `skip` bytes on. @throws EngineError `corrupt` */
async function* bodyOf(path: string, skip: number): AsyncGenerator<Buffer> {
  const { offset } = await readBuild(path);
  const source = createReadStream(path, { start: offset });
  const plain = createZstdDecompress();
  const flow = pipeline(source, plain);
  flow.catch(() => undefined);
  let left = skip;
  try {
    for await (const chunk of plain as AsyncIterable<Buffer>) {
      if (chunk.length > left) yield chunk.subarray(left);
      left = Math.max(0, left - chunk.length);
    }
    await flow;
  } catch (error) {
    throw corrupt(path, error);
  } finally {
    source.destroy();
    plain.destroy();
  }
}

const sizeOf = ({ documents }: StoredBuild): number => documents.reduce((sum, { size }) => sum + size, 0);

/** The events of a stored build. @throws EngineError `corrupt` */
export async function* storedEvents(path: string, stored: StoredBuild): AsyncGenerator<StatusEvent> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of bodyOf(path, sizeOf(stored))) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    for (; rest.length >= at + 4; ) {
      const length = rest.readUInt32LE(at);
      if (length > mostLogs) throw corrupt(path, new Error('an event is too long'));
      if (rest.length < at + 4 + length) break;
      yield decode(statusResponse, rest.subarray(at + 4, at + 4 + length));
      at += 4 + length;
    }
    rest = rest.subarray(at);
  }
}

/** Where a document, or the logs, of a stored build is; undefined when it has none of that digest. */
export function placeIn(
  stored: StoredBuild,
  digest: string,
): { readonly at: number; readonly size: number } | undefined {
  let at = 0;
  for (const document of stored.documents) {
    if (document.digest === digest) return { at, size: document.size };
    at += document.size;
  }
  const logs = stored.record?.logs;
  return logs?.digest === digest ? { at, size: logs.size } : undefined;
}

/** Bytes of a document from `from` to `to`. @throws EngineError `corrupt` */
export async function* storedBytes(
  path: string,
  place: { readonly at: number },
  range: { readonly from: number; readonly to: number },
): AsyncGenerator<Buffer> {
  let left = range.to - range.from;
  if (left <= 0) return;
  for await (const chunk of bodyOf(path, place.at + range.from)) {
    yield chunk.subarray(0, left);
    left -= chunk.length;
    if (left <= 0) return;
  }
}
