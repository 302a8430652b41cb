import { plainEntry } from '../../archive/tar/entry.ts';
import { writeTar } from '../../archive/tar/write.ts';
import { internal } from '../../base/errors.ts';
import type { BuildContent, BuiltLayer } from '../../spec/contract/build.ts';

/**
 * What the engine mounts over in a step is there below the image: an empty file or directory that no layer of the build then
 * has to have. Images that have their own there hide it.
 */
export async function stubLayer(content: BuildContent, signal: AbortSignal): Promise<BuiltLayer> {
  const layer = await content.storeLayer(writeTar(members()), signal);
  if (layer === undefined) throw internal('the layer of mount points is empty');
  return layer;
}

async function* members() {
  for (const name of ['dev/', 'etc/', 'proc/', 'sys/']) {
    yield { entry: plainEntry('directory', name, { size: 0, mode: 0o755 }) };
  }
  for (const name of ['etc/hostname', 'etc/hosts', 'etc/resolv.conf']) {
    yield { entry: plainEntry('file', name, { size: 0, mode: 0o644 }) };
  }
}
