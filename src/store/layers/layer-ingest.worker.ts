import { createHash } from 'node:crypto';
import { closeSync, createReadStream, fsyncSync, openSync, readSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { decompress } from '../../archive/compress/decompress.ts';
import { ErofsWriter } from '../../archive/erofs/writer.ts';
import { LayerFromTar } from '../../archive/layer/from-tar.ts';
import { TarParser } from '../../archive/tar/parse.ts';
import { codeOf, EngineError, messageOf } from '../../base/errors.ts';
import { type DiffId, digestOfHex, hexOf } from '../../base/ids.ts';
import { dropPageCache, startWriteback } from '../../sys/file/cache.ts';
import { encodeLayerHeader, type LayerHeader } from './_header.ts';
import type { IngestGrowth, IngestJob, IngestReport } from './_ingest_protocol.ts';

// One archive at a time: read -> inflate (in the thread pool) -> sha256 -> tar -> EROFS file, synced. The file is
// written synchronously: nothing else happens in this thread.

/** So many bytes are given to the disk early, that the sync at the end finds little to do. */
const writebackStep = 16 << 20;
const progressStep = 1 << 20;
const readSize = 1 << 20;

const port = parentPort;
if (port === null) throw new Error('layer-ingest.worker runs as a worker only');
const report = (message: IngestReport): void => port.postMessage(message);

/** How far the growing file of the current job is, and who waits for more of it. */
let growth = { available: 0, complete: false };
let onGrowth = (): void => undefined;

port.on('message', (message: IngestJob | IngestGrowth) => {
  if (message.kind === 'growth') {
    growth = message;
    onGrowth();
    return;
  }
  growth = { available: 0, complete: false };
  ingest(message).then(report, (error: unknown) =>
    report({ kind: 'failed', code: codeOf(error), message: messageOf(error) }),
  );
});

async function ingest(job: IngestJob): Promise<IngestReport> {
  const fd = openSync(job.target, 'wx+', 0o600);
  try {
    const { header, storedSize } = await convert(job, fd);
    fsyncSync(fd);
    dropPageCache(fd);
    return { kind: 'done', header, storedSize };
  } finally {
    closeSync(fd);
  }
}

async function convert(job: IngestJob, fd: number): Promise<{ header: LayerHeader; storedSize: number }> {
  const writer = new ErofsWriter(fd);
  const layer = new LayerFromTar(writer);
  const parser = new TarParser(layer);
  const hash = createHash('sha256');
  let archiveSize = 0;
  let flushed = 0;
  for await (const chunk of decompress(readSource(job.source), { maxBytes: job.maxBytes, what: job.what })) {
    hash.update(chunk);
    archiveSize += chunk.length;
    parser.push(chunk);
    if (writer.position - flushed >= writebackStep) {
      startWriteback(fd, flushed, writer.position - flushed);
      flushed = writer.position;
    }
  }
  parser.finish();
  layer.complete();
  const diffId = digestOfHex(hash.digest('hex')) as DiffId;
  const partial = { diffId, archiveSize, contentSize: layer.contentSize, opaqueRoot: layer.rootIsOpaque };
  const uuid = Buffer.from(hexOf(diffId).slice(0, 32), 'hex');
  let header: LayerHeader | undefined;
  const { size } = writer.finish(layer.root, uuid, (inodes) => {
    header = { ...partial, inodes };
    return encodeLayerHeader(header);
  });
  return { header: header ?? { ...partial, inodes: 0 }, storedSize: size };
}

async function* readSource(source: IngestJob['source']): AsyncGenerator<Uint8Array, void, undefined> {
  let bytesRead = 0;
  let reported = 0;
  const chunks = 'fd' in source ? readGrowing(source.fd) : createReadStream(source.path, { highWaterMark: readSize });
  for await (const chunk of chunks) {
    yield chunk as Buffer;
    bytesRead += (chunk as Buffer).length;
    if (bytesRead - reported < progressStep) continue;
    reported = bytesRead;
    report({ kind: 'progress', bytesRead });
  }
}

/** What was just written is in the page cache: reading it does not wait. */
async function* readGrowing(fd: number): AsyncGenerator<Buffer, void, undefined> {
  for (let at = 0; ; ) {
    const wanted = Math.min(readSize, growth.available - at);
    if (wanted > 0) {
      const chunk = Buffer.allocUnsafeSlow(wanted);
      const length = readSync(fd, chunk, 0, wanted, at);
      if (length === 0) throw new EngineError('corrupt', 'the archive became shorter while it was read');
      at += length;
      yield chunk.subarray(0, length);
    } else if (growth.complete) {
      return;
    } else {
      await new Promise<void>((resolve) => {
        onGrowth = resolve;
      });
    }
  }
}
