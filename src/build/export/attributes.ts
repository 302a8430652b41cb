import { invalid } from '../../base/errors.ts';
import type { ImageAnnotations } from '../../spec/contract/build.ts';
import type { LayerCompression } from '../../spec/oci/layer-compression.ts';
import { missing } from '../solve/keys.ts';

type Attributes = ReadonlyMap<string, string>;

/** What an exporter of images was asked for. */
export interface ImageWishes {
  /** As users write them. */
  readonly names: readonly string[];
  readonly push: boolean;
  /** Without a tag: it is found by its digest there. */
  readonly pushByDigest: boolean;
  /** It becomes an image of the engine. */
  readonly store: boolean;
  /** Each name also with the digest. */
  readonly nameCanonical: boolean;
  /** A repository that the image is called by with its digest; empty for none. */
  readonly danglingPrefix: string;
  /** Only where it has no name. */
  readonly danglingEmptyOnly: boolean;
  /** Statements are OCI artifacts. */
  readonly artifactStatements: boolean;
  /** Also those that nobody asked for, where the image stays here. */
  readonly inlineStatements: boolean;
  /** Of the layers that the build has made. */
  readonly compression: LayerCompression | undefined;
  /** Of all layers. */
  readonly forceCompression: boolean;
  readonly annotations: readonly Annotation[];
  /** Files of the build's layers are not younger than it (`epochOf`). */
  readonly rewriteTimestamps: boolean;
  readonly dockerTypes: boolean;
}

/** A note at a part of an image. */
export interface Annotation {
  readonly place: keyof ImageAnnotations;
  /** Of this platform alone. */
  readonly platform: string | undefined;
  readonly key: string;
  readonly value: string;
}

/** Of images, as far as they are something else than the default: what is passed by would be another image. */
const notYet = ['prefer-nondist-layers', 'compression-level', 'registry.insecure'];

/** @throws EngineError `invalid` with the option's name; not-implemented */
export function imageWishes(attributes: Attributes): ImageWishes {
  for (const name of notYet) {
    const value = attributes.get(name) ?? '';
    if (value !== '' && value !== 'false') throw missing(`the exporter option ${name}=${value}`);
  }
  const dockerTypes = !flag(attributes, 'oci-mediatypes', true);
  const artifactStatements = flag(attributes, 'oci-artifact', false);
  if (dockerTypes && artifactStatements) {
    throw invalid('exporter option "oci-artifact=true" conflicts with "oci-mediatypes=false"');
  }
  const rewriteTimestamps = flag(attributes, 'rewrite-timestamp', false);
  // Images are always unpacked here.
  if (wanted(attributes, 'unpack', false) && rewriteTimestamps) {
    throw invalid('exporter option "rewrite-timestamp" conflicts with "unpack"');
  }
  return {
    names: listOf(attributes.get('name') ?? ''),
    push: wanted(attributes, 'push', false),
    pushByDigest: wanted(attributes, 'push-by-digest', false),
    store: wanted(attributes, 'store', true),
    nameCanonical: wanted(attributes, 'name-canonical', false),
    danglingPrefix: attributes.get('dangling-name-prefix') ?? '',
    // BuildKit spells it so.
    danglingEmptyOnly: wanted(attributes, 'danging-name-empty-only', false),
    artifactStatements,
    inlineStatements: flag(attributes, 'attestation-inline', false),
    compression: compressionOf(attributes.get('compression') ?? ''),
    forceCompression: flag(attributes, 'force-compression', false),
    annotations: annotationsOf(attributes),
    rewriteTimestamps,
    dockerTypes,
  };
}

const listOf = (text: string): string[] => text.split(',').filter((item) => item !== '');

/** What Go's programs take for true. */
export const trueWords = ['1', 't', 'T', 'true', 'TRUE', 'True'];
const falseWords = ['0', 'f', 'F', 'false', 'FALSE', 'False'];

/** A flag as Go's clients write it. @throws EngineError `invalid` */
export function flag(attributes: Attributes, name: string, otherwise: boolean): boolean {
  const text = attributes.get(name) ?? '';
  if (text === '') return otherwise;
  if (trueWords.includes(text)) return true;
  if (falseWords.includes(text)) return false;
  throw invalid(`non-bool value specified for ${name}: ${JSON.stringify(text)}`);
}

/** The same for those that are wished by their name alone. @throws EngineError `invalid` */
const wanted = (attributes: Attributes, name: string, otherwise: boolean): boolean =>
  attributes.get(name) === '' || flag(attributes, name, otherwise);

const compressions: Readonly<Record<string, LayerCompression>> = { uncompressed: 'none', gzip: 'gzip', zstd: 'zstd' };

function compressionOf(text: string): LayerCompression | undefined {
  if (text === '') return undefined;
  if (text === 'estargz') throw missing('layers as estargz');
  const found = compressions[text];
  if (found === undefined)
    throw invalid(`unsupported layer compression type ${JSON.stringify(text)}: expected uncompressed, gzip or zstd`);
  return found;
}

/** `annotation.KEY`, `annotation-index.KEY`, `annotation-manifest-descriptor[linux/amd64].KEY`. */
const annotationName = /^annotation(?:-([a-z-]+))?(?:\[([^\]]+)\])?\.(.+)$/s;

function annotationsOf(attributes: Attributes): Annotation[] {
  const found: Annotation[] = [];
  for (const [name, value] of attributes) {
    const [, kind = 'manifest', platform, key] = annotationName.exec(name) ?? [];
    if (key === undefined) continue;
    const place = places.get(kind);
    if (place === undefined) throw invalid(`unrecognized annotation type ${kind} in ${name}`);
    found.push({ place, platform, key, value });
  }
  return found;
}

const places: ReadonlyMap<string, keyof ImageAnnotations> = new Map([
  ['manifest', 'manifest'],
  ['manifest-descriptor', 'manifestDescriptor'],
  ['index', 'index'],
  ['index-descriptor', 'indexDescriptor'],
]);

/** Those that count for one platform; one for the platform alone counts more than one for all. */
export function annotationsFor(annotations: readonly Annotation[], wanted: string): ImageAnnotations {
  const found: Record<keyof ImageAnnotations, Record<string, string>> = {
    manifest: {},
    manifestDescriptor: {},
    index: {},
    indexDescriptor: {},
  };
  const isOfIndex = (place: keyof ImageAnnotations): boolean => place === 'index' || place === 'indexDescriptor';
  const counting = annotations.filter(
    ({ place, platform }) => platform === undefined || platform === wanted || isOfIndex(place),
  );
  for (const { place, key, value } of counting.toSorted((a, b) => rank(a) - rank(b))) found[place][key] = value;
  return found;
}

const rank = ({ platform }: Annotation): number => (platform === undefined ? 0 : 1);
