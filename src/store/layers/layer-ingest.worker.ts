import { createHash } from 'node:crypto';
import { closeSync, createReadStream, fsyncSync, openSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { decompress } from '../../archive/compress/decompress.ts';
import { ErofsWriter } from '../../archive/erofs/writer.ts';
import { LayerFromTar } from '../../archive/layer/from-tar.ts';
import { TarParser } from '../../archive/tar/parse.ts';
import { codeOf, messageOf } from '../../base/errors.ts';
import { type DiffId, digestOfHex, hexOf } from '../../base/ids.ts';
import { dropPageCache, startWriteback } from '../../sys/file/cache.ts';
import { encodeLayerHeader, type LayerHeader } from './_header.ts';
import type { IngestJob, IngestReport } from './_ingest_protocol.ts';

// One archive at a time: read -> inflate (in the thread pool) -> sha256 -> tar -> EROFS file, synced. The file is
// written synchronously: nothing else happens in this thread.

/** So many bytes are given to the disk early, that the sync at the end finds little to do. */
const writebackStep = 16 << 20;
const progressStep = 1 << 20;

const port = parentPort;
if (port === null) throw new Error('layer-ingest.worker runs as a worker only');
const report = (message: IngestReport): void => port.postMessage(message);

port.on('message', (job: IngestJob) => {
  ingest(job).then(report, (error: unknown) =>
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

async function* readSource(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  let bytesRead = 0;
  let reported = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    yield chunk as Buffer;
    bytesRead += (chunk as Buffer).length;
    if (bytesRead - reported < progressStep) continue;
    reported = bytesRead;
    report({ kind: 'progress', bytesRead });
  }
}
