import { createHash } from 'node:crypto';
import { LayerFromTar } from '../../archive/layer/from-tar.ts';
import type { NodeWriter } from '../../archive/layer/node-writer.ts';
import { TarParser } from '../../archive/tar/parse.ts';
import { type DiffId, digestOfHex } from '../../base/ids.ts';
import type { LayerHeader } from './_header.ts';

/** What an archive turned out to be: the nodes are with the writer, their names in the tree. */
export interface Unpacked {
  readonly layer: LayerFromTar;
  readonly header: Omit<LayerHeader, 'inodes'>;
}

/**
 * Gives the members of an archive to `writer`, and hashes it on the way. `onChunk` is called after each part, for whoever
 * hands written content to the disk early. @throws EngineError `corrupt`, `invalid`; system errors.
 */
export async function unpackArchive(
  archive: AsyncIterable<Uint8Array>,
  writer: NodeWriter,
  onChunk: () => void = () => undefined,
): Promise<Unpacked> {
  const layer = new LayerFromTar(writer);
  const parser = new TarParser(layer);
  const hash = createHash('sha256');
  let archiveSize = 0;
  for await (const chunk of archive) {
    hash.update(chunk);
    archiveSize += chunk.length;
    parser.push(chunk);
    onChunk();
  }
  parser.finish();
  layer.complete();
  const diffId = digestOfHex(hash.digest('hex')) as DiffId;
  const header = { diffId, archiveSize, contentSize: layer.contentSize, opaqueRoot: layer.rootIsOpaque };
  return { layer, header };
}
