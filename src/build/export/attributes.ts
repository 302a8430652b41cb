import { invalid } from '../../base/errors.ts';
import type { ImageAnnotations } from '../../spec/contract/build.ts';
import type { Platform } from '../../spec/oci/image.ts';
import type { LayerCompression } from '../../spec/oci/layer-compression.ts';
import { formatPlatform } from '../../spec/oci/platform.ts';
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
  readonly annotations: ImageAnnotations;
  /** Files of the build's layers are not younger than it (`epochOf`). */
  readonly rewriteTimestamps: boolean;
  readonly dockerTypes: boolean;
}

/** Of images, as far as they are something else than the default: what is passed by would be another image. */
const notYet = ['push-by-digest', 'name-canonical', 'prefer-nondist-layers', 'oci-artifact', 'compression-level'];

/** @throws EngineError `invalid` with the option's name; not-implemented */
export function imageWishes(attributes: Attributes, platform: Platform): ImageWishes {
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
    annotations: annotationsOf(attributes, platform),
    rewriteTimestamps: flag(attributes, 'rewrite-timestamp', false),
    dockerTypes: !flag(attributes, 'oci-mediatypes', true),
  };
}

const listOf = (text: string): string[] => text.split(',').filter((item) => item !== '');

const trueWords = ['1', 't', 'T', 'true', 'TRUE', 'True'];
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

/** Notes for a platform that is not built say nothing here. */
function annotationsOf(attributes: Attributes, platform: Platform): ImageAnnotations {
  const found = { manifest: {}, manifestDescriptor: {}, index: {}, indexDescriptor: {} } as Record<
    keyof ImageAnnotations,
    Record<string, string>
  >;
  for (const [name, value] of attributes) {
    const [, kind = 'manifest', wanted, key] = annotationName.exec(name) ?? [];
    if (key === undefined) continue;
    const place = kind.replace(/-([a-z])/g, (_all, letter: string) => letter.toUpperCase());
    if (!Object.hasOwn(found, place)) throw invalid(`unrecognized annotation type ${kind} in ${name}`);
    if (wanted !== undefined && wanted !== formatPlatform(platform)) continue;
    found[place as keyof ImageAnnotations][key] = value;
  }
  return found;
}
