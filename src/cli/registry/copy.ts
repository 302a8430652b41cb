import type { ImageManifest } from '../../spec/oci/image.ts';
import type { Reference } from '../../spec/reference/reference.ts';
import type { Registries } from './client.ts';

/**
 * Brings the blobs of a manifest into another repository: what is there stays, within one registry they are mounted, else
 * they pass through this machine.
 */
export async function copyBlobs(
  registries: Registries,
  {
    manifest,
    from,
    to,
    signal,
  }: {
    readonly manifest: ImageManifest;
    readonly from: Reference;
    readonly to: Reference;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const [source, target] = [registries.repository(from), registries.target(to)];
  for (const blob of [manifest.config, ...manifest.layers]) {
    await target.blob(blob, {
      open: (offset) => source.blob(blob, { from: offset, signal }),
      ...(from.domain === to.domain ? { mountFrom: from.path } : {}),
      signal,
    });
  }
}
