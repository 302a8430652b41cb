import { existsSync, mkdirSync, readFileSync, renameSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CliError } from '../errors.ts';

const nameAnnotation = 'org.opencontainers.image.ref.name';

interface IndexedManifest {
  readonly digest: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

const indexPath = (folder: string): string => join(folder, 'index.json');

function manifestsIn(folder: string): IndexedManifest[] {
  if (!existsSync(indexPath(folder))) return [];
  try {
    return (JSON.parse(readFileSync(indexPath(folder), 'utf8')) as { manifests?: IndexedManifest[] }).manifests ?? [];
  } catch (error) {
    throw new CliError(`${indexPath(folder)} cannot be read: ${(error as Error).message}`);
  }
}

/** The digest of the manifest that an OCI layout has under a name; undefined when it has none. @throws CliError */
export const digestInLayout = (folder: string, name: string): string | undefined =>
  manifestsIn(folder).find(({ annotations }) => annotations?.[nameAnnotation] === name)?.digest;

/** Notes a manifest in the index of an OCI layout, in place of the one that had the name; without a name beside the others. */
export function noteInLayout(folder: string, manifest: IndexedManifest, name: string | undefined): void {
  mkdirSync(folder, { recursive: true });
  const others = manifestsIn(folder).filter(
    ({ digest, annotations }) =>
      digest !== manifest.digest && (name === undefined || annotations?.[nameAnnotation] !== name),
  );
  const annotations = { ...manifest.annotations, ...(name === undefined ? {} : { [nameAnnotation]: name }) };
  const noted = Object.keys(annotations).length === 0 ? manifest : { ...manifest, annotations };
  const mediaType = 'application/vnd.oci.image.index.v1+json';
  const index = { schemaVersion: 2, mediaType, manifests: [...others, noted] };
  writeFileSync(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(`${indexPath(folder)}.tmp`, JSON.stringify(index));
  renameSync(`${indexPath(folder)}.tmp`, indexPath(folder));
  try {
    rmdirSync(join(folder, 'ingest'));
  } catch {
    // Nothing came, or somebody else is writing.
  }
}
