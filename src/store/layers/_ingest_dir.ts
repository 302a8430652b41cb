import { closeSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { DirectoryWriter } from '../../archive/directory/writer.ts';
import { syncFileSystem } from '../../sys/file/at.ts';
import { removeTreeSync } from '../../sys/file/remove-tree.ts';
import { encodeLayerHeader, type LayerHeader } from './_header.ts';

import { unpackArchive } from './_unpack.ts';

/** What is in the directory of a layer. */
export const layerParts = { header: 'layer', root: 'root', nodes: 'nodes' } as const;

/**
 * Makes the layer as the directory `target`, on disk when it resolves, unless it is `passing`. One sync of the whole file system at the end: one
 * for each file would take minutes. The directory is left to the caller after a failure.
 */
export async function ingestDirectory(
  archive: AsyncIterable<Uint8Array>,
  target: string,
  passing: boolean,
): Promise<{ header: LayerHeader; storedSize: number }> {
  const at = (name: string): string => `${target}/${name}`;
  for (const path of [target, at(layerParts.nodes), at(layerParts.root)]) mkdirSync(path, { mode: 0o700 });
  const writer = new DirectoryWriter(at(layerParts.nodes));
  let header: LayerHeader;
  let storedSize: number;
  try {
    const unpacked = await unpackArchive(archive, writer);
    const { inodes, size } = writer.finish(unpacked.layer.root, at(layerParts.root));
    storedSize = size;
    header = { ...unpacked.header, inodes, storedSize };
  } finally {
    writer.close();
  }
  removeTreeSync(at(layerParts.nodes));
  writeFileSync(at(layerParts.header), encodeLayerHeader(header), { mode: 0o600, flag: 'wx' });
  if (passing) return { header, storedSize };
  const fd = openSync(target, 'r');
  try {
    syncFileSystem(fd);
  } finally {
    closeSync(fd);
  }
  return { header, storedSize };
}
