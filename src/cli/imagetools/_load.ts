import type { Descriptor } from '../../spec/oci/image.ts';
import type { JsonObject } from '../../spec/oci/json.ts';
import { formatPlatform, normalizePlatform } from '../../spec/oci/platform.ts';
import { type Reference, repositoryOf } from '../../spec/reference/reference.ts';
import type { Registries } from '../registry/client.ts';
import { readDocument, readJsonBlob, type RegistryDocument } from '../registry/documents.ts';

/** One platform of an image in a registry. */
export interface RemotePlatform {
  /** `linux/amd64`. */
  readonly platform: string;
  readonly config: JsonObject;
  /** What BuildKit stated about it: bodies of in-toto statements, by predicate type. */
  readonly statements: readonly { readonly type: string; readonly predicate: unknown }[];
}

const attestedMark = 'vnd.docker.reference.digest';
const predicateMark = 'in-toto.io/predicate-type';

/** Reads the configurations of all platforms, and what was attested of them if that is wanted. @throws EngineError */
export async function loadPlatforms(
  registries: Registries,
  name: Reference,
  root: RegistryDocument,
  withStatements: boolean,
): Promise<RemotePlatform[]> {
  const remote = registries.repository(name);
  const { document } = root;
  if (document.kind === 'manifest') {
    const config = await readJsonBlob(remote, document.manifest.config, 'image config');
    return [{ platform: platformOf(config), config, statements: [] }];
  }
  const isAbout = ({ annotations }: Descriptor) => annotations?.[attestedMark];
  const platforms: RemotePlatform[] = [];
  for (const entry of document.index.manifests) {
    if (isAbout(entry) !== undefined || entry.platform?.os === 'unknown') continue;
    const child = await readDocument(remote, { ...repositoryOf(name), digest: entry.digest });
    if (child.document.kind !== 'manifest') continue;
    const config = await readJsonBlob(remote, child.document.manifest.config, 'image config');
    const about = withStatements ? document.index.manifests.filter((other) => isAbout(other) === entry.digest) : [];
    const statements = [];
    for (const { digest } of about)
      statements.push(...(await statementsOf(registries, { ...repositoryOf(name), digest })));
    const platform =
      entry.platform === undefined ? platformOf(config) : formatPlatform(normalizePlatform(entry.platform));
    platforms.push({ platform, config, statements });
  }
  return platforms;
}

async function statementsOf(registries: Registries, reference: Reference) {
  const remote = registries.repository(reference);
  const { document } = await readDocument(remote, reference);
  const statements: { type: string; predicate: unknown }[] = [];
  for (const layer of document.kind === 'manifest' ? document.manifest.layers : []) {
    const type = layer.annotations?.[predicateMark];
    if (type === undefined) continue;
    const { predicate } = (await readJsonBlob(remote, layer, 'attestation')) as { readonly predicate?: unknown };
    statements.push({ type, predicate });
  }
  return statements;
}

function platformOf(config: JsonObject): string {
  const { os, architecture, variant } = config as Record<string, string | undefined>;
  return formatPlatform(
    normalizePlatform({ os: os ?? '', architecture: architecture ?? '', ...(variant ? { variant } : {}) }),
  );
}
