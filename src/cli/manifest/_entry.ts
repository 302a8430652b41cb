import { codeOf } from '../../base/errors.ts';
import type { RemoteRepository } from '../../registry/client/client.ts';
import type { Descriptor, Platform } from '../../spec/oci/image.ts';
import { optionalString, optionalStrings } from '../../spec/oci/json.ts';
import type { ManifestDocument } from '../../spec/oci/manifest.ts';
import { formatReference, type Reference } from '../../spec/reference/reference.ts';
import { CliError } from '../errors.ts';
import type { Registries } from '../registry/client.ts';
import { readDocument, readJsonBlob } from '../registry/documents.ts';

/** One manifest of a list: what it is, where it comes from, and the bytes that its digest is of. */
export interface ManifestEntry {
  readonly reference: Reference;
  /** With the platform, as far as it is known. */
  readonly descriptor: Descriptor;
  readonly raw: Uint8Array;
}

/** What a registry has under a name. @throws CliError `no such manifest: ...`, EngineError */
export async function fetchDocument(
  registries: Registries,
  reference: Reference,
): Promise<{ readonly entry: ManifestEntry; readonly document: ManifestDocument }> {
  const remote = registries.repository(reference);
  const { descriptor, bytes, document } = await readDocument(remote, reference).catch((error: unknown) => {
    const code = codeOf(error);
    if (code !== 'not-found' && code !== 'unauthorized') throw error;
    throw new CliError(`no such manifest: ${formatReference(reference)}`);
  });
  if (document.kind === 'index') return { entry: { reference, descriptor, raw: bytes }, document };
  const platform = await platformOf(remote, document.manifest.config);
  return { entry: { reference, descriptor: { ...descriptor, platform }, raw: bytes }, document };
}

/** The manifest of one platform. @throws CliError when there is none, or a list of several */
export async function fetchManifest(registries: Registries, reference: Reference): Promise<ManifestEntry> {
  const { entry, document } = await fetchDocument(registries, reference);
  if (document.kind === 'index') throw new CliError(`${formatReference(reference)} is a manifest list`);
  return entry;
}

/** What an image configuration says of its platform; an artifact says nothing. */
async function platformOf(remote: RemoteRepository, config: Descriptor): Promise<Platform> {
  const json = await readJsonBlob(remote, config, 'image config');
  const text = (key: string): string => optionalString(json[key], `image config: ${key}`) ?? '';
  const [version, variant] = [text('os.version'), text('variant')];
  const features = optionalStrings(json['os.features'], 'image config: os.features', 100);
  return {
    architecture: text('architecture'),
    os: text('os'),
    ...(version === '' ? {} : { 'os.version': version }),
    ...(features === undefined ? {} : { 'os.features': features }),
    ...(variant === '' ? {} : { variant }),
  };
}
