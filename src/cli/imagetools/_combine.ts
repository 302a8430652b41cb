import { hash } from 'node:crypto';
import { type Digest, digestOfHex } from '../../base/ids.ts';
import { type Descriptor, mediaTypes, type Platform } from '../../spec/oci/image.ts';
import { formatPlatform, normalizePlatform, parsePlatform, platformDistance } from '../../spec/oci/platform.ts';
import { CliError } from '../errors.ts';
import type { Registries } from '../registry/client.ts';
import { readJsonBlob } from '../registry/documents.ts';
import type { Source } from './_sources.ts';

/** What is pushed under the new names, and what must be in their repositories before. */
export interface Combined {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
  readonly parts: readonly Part[];
}

/** A manifest of the new image, and where it comes from. */
export interface Part {
  readonly descriptor: Descriptor;
  readonly source: Source;
}

export interface CombineOptions {
  readonly annotations: readonly string[];
  /** An index also around a single manifest. */
  readonly preferIndex: boolean;
  /** Only these; all when it is empty. */
  readonly platforms: readonly string[];
}

/**
 * The sources as one image: the manifests of all of them in an index, each once, as `docker buildx imagetools create` puts
 * them together. A single index stays byte for byte what it is. @throws CliError
 */
export async function combine(
  registries: Registries,
  sources: readonly Source[],
  { annotations, preferIndex, platforms }: CombineOptions,
): Promise<Combined> {
  const wanted = platforms.map((text) =>
    parsePlatform(text, normalizePlatform({ os: 'linux', architecture: process.arch })),
  );
  const notes = annotations.map(parseAnnotation);
  const parts: Part[] = [];
  for (const source of sources) parts.push(...(await partsOf(registries, source)));
  const unique = mergeParts(parts);
  const kept = wanted.length === 0 ? unique : filterParts(unique, wanted);
  const [only, ...others] = sources;
  if (only !== undefined && others.length === 0 && notes.length === 0 && kept.length === unique.length) {
    const isIndex = only.document.kind === 'index';
    if (isIndex) return { descriptor: only.descriptor, bytes: only.bytes, parts: kept };
    if (!preferIndex) return { descriptor: only.descriptor, bytes: only.bytes, parts: kept };
  }
  if (kept.length === 0) throw new CliError('none of the manifests match the provided platforms');
  return { ...indexOf(kept, notes), parts: kept };
}

async function partsOf(registries: Registries, source: Source): Promise<Part[]> {
  const { document, descriptor, reference } = source;
  if (document.kind === 'index') return document.index.manifests.map((entry) => ({ descriptor: entry, source }));
  const { platform } = descriptor;
  if (platform?.os && platform.architecture) return [{ descriptor, source }];
  const config = await readJsonBlob(registries.repository(reference), document.manifest.config, 'image config');
  const { os, architecture, variant } = config as Record<string, string | undefined>;
  const said = normalizePlatform({ os: os ?? '', architecture: architecture ?? '', ...(variant ? { variant } : {}) });
  return [{ descriptor: { ...descriptor, platform: { ...said, ...platform } }, source }];
}

/** What several sources have is there once, at its first place, with the platform and annotations of the last one. */
function mergeParts(parts: readonly Part[]): Part[] {
  const merged = new Map<Digest, Part>();
  for (const { descriptor, source } of parts) {
    const before = merged.get(descriptor.digest)?.descriptor;
    const annotations = { ...before?.annotations, ...descriptor.annotations };
    const all = Object.keys(annotations).length === 0 ? {} : { annotations };
    merged.set(descriptor.digest, { descriptor: { ...before, ...descriptor, ...all }, source });
  }
  return [...merged.values()];
}

/** Attestations go with the manifest that they are about. */
function filterParts(parts: readonly Part[], wanted: readonly Platform[]): Part[] {
  const fits = ({ descriptor: { platform } }: Part): boolean =>
    platform === undefined || wanted.some((one) => platformDistance(one, platform) === 0);
  const kept = new Set<string>(parts.filter(fits).map(({ descriptor }) => descriptor.digest));
  const attests = ({ annotations = {} }: Descriptor): boolean =>
    annotations['vnd.docker.reference.type'] === 'attestation-manifest' &&
    kept.has(annotations['vnd.docker.reference.digest'] ?? '');
  return parts.filter(({ descriptor }) => kept.has(descriptor.digest) || attests(descriptor));
}

interface Note {
  readonly kind: 'index' | 'manifest-descriptor';
  readonly platform?: string;
  readonly key: string;
  readonly value: string;
}

/** `index:key=value`, `manifest-descriptor[linux/amd64]:key=value`. @throws CliError */
function parseAnnotation(text: string): Note {
  const equals = text.indexOf('=');
  const head = equals < 0 ? text : text.slice(0, equals);
  const colon = head.lastIndexOf(':');
  const bracket = head.indexOf('[');
  const kind = head.slice(0, bracket >= 0 && bracket < colon ? bracket : Math.max(colon, 0));
  const platform = bracket >= 0 && bracket < colon ? head.slice(bracket + 1, head.indexOf(']')) : undefined;
  const key = head.slice(colon + 1);
  if (equals < 0 || key === '') {
    throw new CliError(`failed to parse annotations: invalid annotation ${JSON.stringify(text)}, expected key=value`);
  }
  if (kind !== 'index' && kind !== 'manifest-descriptor') {
    throw new CliError(
      `${JSON.stringify(kind)} annotations are not supported: expected index:key=value or manifest-descriptor[PLATFORM]:key=value`,
    );
  }
  return { kind, key, value: text.slice(equals + 1), ...(platform === undefined ? {} : { platform }) };
}

function indexOf(parts: readonly Part[], notes: readonly Note[]): Pick<Combined, 'descriptor' | 'bytes'> {
  const isDocker = parts.every(({ descriptor }) => descriptor.mediaType.startsWith('application/vnd.docker.'));
  if (isDocker && notes.length > 0) {
    throw new CliError("annotations need an OCI index: all manifests here have Docker's types");
  }
  const mediaType = isDocker ? mediaTypes.dockerIndex : mediaTypes.ociIndex;
  const own = notes.filter(({ kind }) => kind === 'index');
  const manifests = parts.map(({ descriptor }) => {
    const shown = descriptor.platform === undefined ? undefined : formatPlatform(descriptor.platform);
    const added = notes.filter(
      ({ kind, platform }) => kind === 'manifest-descriptor' && (platform === undefined || platform === shown),
    );
    return descriptorJson({ ...descriptor, annotations: { ...descriptor.annotations, ...objectOf(added) } });
  });
  const annotations = own.length === 0 ? {} : { annotations: sorted(objectOf(own)) };
  const text = JSON.stringify({ schemaVersion: 2, mediaType, manifests, ...annotations }, undefined, 2);
  const bytes = new TextEncoder().encode(text);
  return { bytes, descriptor: { mediaType, digest: digestOfHex(hash('sha256', bytes, 'hex')), size: bytes.length } };
}

const objectOf = (notes: readonly Note[]): Record<string, string> =>
  Object.fromEntries(notes.map(({ key, value }) => [key, value]));

const sorted = (object: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1)));

/** Keys in the order in which Go writes them: the index has a digest. */
function descriptorJson({ mediaType, digest, size, annotations = {}, platform, artifactType }: Descriptor): object {
  return {
    mediaType,
    digest,
    size,
    ...(Object.keys(annotations).length === 0 ? {} : { annotations: sorted(annotations) }),
    ...(platform === undefined
      ? {}
      : {
          platform: {
            architecture: platform.architecture,
            os: platform.os,
            ...(platform['os.version'] ? { 'os.version': platform['os.version'] } : {}),
            ...(platform['os.features']?.length ? { 'os.features': platform['os.features'] } : {}),
            ...(platform.variant ? { variant: platform.variant } : {}),
          },
        }),
    ...(artifactType === undefined ? {} : { artifactType }),
  };
}
