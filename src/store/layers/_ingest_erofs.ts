import { closeSync, fsyncSync, openSync } from 'node:fs';
import { ErofsWriter } from '../../archive/erofs/writer.ts';
import { internal } from '../../base/errors.ts';
import { hexOf } from '../../base/ids.ts';
import { dropPageCache, startWriteback } from '../../sys/file/cache.ts';
import { encodeLayerHeader, type LayerHeader } from './_header.ts';
import { unpackArchive } from './_unpack.ts';

/** So many bytes are given to the disk early, that the sync at the end finds little to do. */
const writebackStep = 16 << 20;

/** Makes the image at `target`, on disk when it resolves, unless it is `passing`. The file is left to the caller after a failure. */
export async function ingestErofs(
  archive: AsyncIterable<Uint8Array>,
  target: string,
  passing: boolean,
): Promise<{ header: LayerHeader; storedSize: number }> {
  const fd = openSync(target, 'wx+', 0o600);
  try {
    const made = await convert(archive, fd);
    if (passing) return made;
    fsyncSync(fd);
    // It is read through its mount, past the page cache of the file.
    dropPageCache(fd);
    return made;
  } finally {
    closeSync(fd);
  }
}

async function convert(
  archive: AsyncIterable<Uint8Array>,
  fd: number,
): Promise<{ header: LayerHeader; storedSize: number }> {
  const writer = new ErofsWriter(fd);
  let flushed = 0;
  const { layer, header: partial } = await unpackArchive(archive, writer, () => {
    if (writer.position - flushed < writebackStep) return;
    startWriteback(fd, flushed, writer.position - flushed);
    flushed = writer.position;
  });
  const uuid = Buffer.from(hexOf(partial.diffId).slice(0, 32), 'hex');
  let header: LayerHeader | undefined;
  const { size } = writer.finish(layer.root, uuid, (inodes) => {
    header = { ...partial, inodes };
    return encodeLayerHeader(header);
  });
  if (header === undefined) throw internal('erofs: the image has no header');
  return { header, storedSize: size };
}
