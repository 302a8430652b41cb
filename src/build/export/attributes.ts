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
const notYet = ['push-by-digest', 'name-canonical', 'prefer-nondist-layers', 'oci-artifact', 'compression-level'];

/** @throws EngineError `invalid` with the option's name; not-implemented */
export function imageWishes(attributes: Attributes): ImageWishes {
  for (const name of notYet) {
    const value = attributes.get(name) ?? '';
    if (value !== '' && value !== 'false') throw missing(`the exporter option ${name}=${value}`);
  }
  if (!flag(attributes, 'store', true)) throw missing('the exporter option store=false');
  return {
    names: listOf(attributes.get('name') ?? ''),
    push: flag(attributes, 'push', false),
    compression: compressionOf(attributes.get('compression') ?? ''),
    forceCompression: flag(attributes, 'force-compression', false),
    annotations: annotationsOf(attributes),
    rewriteTimestamps: flag(attributes, 'rewrite-timestamp', false),
    dockerTypes: !flag(attributes, 'oci-mediatypes', true),
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
