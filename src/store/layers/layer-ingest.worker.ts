import { createReadStream, readSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { decompress, limited } from '../../archive/compress/decompress.ts';
import { countInodes, digestDirectory } from '../../archive/directory/inspect.ts';
import { codeOf, EngineError, messageOf } from '../../base/errors.ts';
import { removeTreeSync } from '../../sys/file/remove-tree.ts';
import { ingestDirectory } from './_ingest_dir.ts';
import { ingestErofs } from './_ingest_erofs.ts';
import type { IngestGrowth, IngestJob, IngestPiece, IngestReport, LayerJob, TreeJob } from './_ingest_protocol.ts';
import type { FeedPiece } from './feed.ts';

// One archive at a time: read -> inflate (in the thread pool) -> sha256 -> tar -> EROFS file or directory, synced. Files are
// written synchronously: nothing else happens in this thread.

const progressStep = 1 << 20;
const readSize = 1 << 20;

const port = parentPort;
if (port === null) throw new Error('layer-ingest.worker runs as a worker only');
const report = (message: IngestReport): void => port.postMessage(message);

/** What came of the archive of the current job and was not read yet, and whether that is all. */
let pieces: FeedPiece[] = [];
let hasAllPieces = false;

/** How far the growing file of the current job is, and who waits for more of it. */
let growth = { available: 0, complete: false };
/** Who waits for more of an archive. */
let onMore = (): void => undefined;

port.on('message', (message: LayerJob | IngestGrowth | IngestPiece) => {
  if (message.kind === 'growth') {
    growth = message;
    onMore();
    return;
  }
  if (message.kind === 'piece') {
    if (message.piece === undefined) hasAllPieces = true;
    else pieces.push(message.piece);
    onMore();
    return;
  }
  growth = { available: 0, complete: false };
  pieces = [];
  hasAllPieces = false;
  run(message).then(report, (error: unknown) =>
    report({ kind: 'failed', code: codeOf(error), message: messageOf(error) }),
  );
});

async function run(job: LayerJob): Promise<IngestReport> {
  if (job.kind !== 'ingest') return { kind: 'tree-done', found: runOnTree(job) };
  const archive = 'pieces' in job.source ? limited(readPieces(), job) : decompress(readSource(job.source), job);
  const make = { erofs: ingestErofs, dir: ingestDirectory }[job.form];
  return { kind: 'done', ...(await make(archive, job.target, job.passing ?? false)) };
}

function runOnTree(job: TreeJob): string | undefined {
  switch (job.kind) {
    case 'remove':
      removeTreeSync(job.path);
      return undefined;
    case 'compare':
      return digestDirectory(job.paths[0]) === digestDirectory(job.paths[1])
        ? undefined
        : 'its content differs from its archive';
    case 'count': {
      const inodes = countInodes(job.path);
      return inodes === job.inodes ? undefined : `it has ${inodes} files and directories instead of ${job.inodes}`;
    }
  }
}

/** Each piece is gone when the next one is asked for. */
async function* readPieces(): AsyncGenerator<Uint8Array, void, undefined> {
  for (;;) {
    const piece = pieces.shift();
    if (piece !== undefined) {
      yield piece.bytes.subarray(0, piece.length);
      port?.postMessage({ kind: 'read', bytes: piece.bytes } satisfies IngestReport, [piece.bytes.buffer]);
    } else if (hasAllPieces) return;
    else await more();
  }
}

const more = (): Promise<void> =>
  new Promise((resolve) => {
    onMore = resolve;
  });

async function* readSource(
  source: Exclude<IngestJob['source'], { readonly pieces: true }>,
): AsyncGenerator<Uint8Array, void, undefined> {
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
      await more();
    }
  }
}
