import { internal, invalid } from '../base/errors.ts';
import { hexOf } from '../base/ids.ts';
import type {
  BuiltLayer,
  ImageAnnotations,
  ImageToWrite,
  Predicate,
  WriteOptions,
  WrittenImage,
  WrittenVariant,
} from '../spec/contract/build.ts';
import { statementOf, statementType } from '../spec/oci/statement.ts';
import { type Descriptor, type ImageIndex, type ImageManifest, mediaTypes } from '../spec/oci/image.ts';
import type { ContentOperation } from './content.ts';
import { describeBytes, encodeDocument } from './document.ts';
import { attestationAnnotations, makeVariant, predicateAnnotation } from './variant.ts';

const noAnnotations: ImageAnnotations = { manifest: {}, manifestDescriptor: {}, index: {}, indexDescriptor: {} };

/** A platform's part with all that belongs to it. */
interface Part {
  readonly variant: WrittenVariant;
  readonly annotations: ImageAnnotations;
  readonly blobs: readonly Descriptor[];
}

/** Stores the documents of an image that is made here: configurations, manifests, statements and the index over them. */
export async function writeImage(
  content: ContentOperation,
  images: readonly ImageToWrite[],
  { isList, dockerTypes, artifactStatements = false }: WriteOptions,
): Promise<WrittenImage> {
  const parts: Part[] = [];
  for (const image of images) parts.push(await writePart(content, image, { dockerTypes, artifactStatements }));
  const [first] = parts;
  if (first === undefined) throw internal('an image of no platform is to be written');
  const { index: notes, indexDescriptor } = first.annotations;
  const statements = parts.flatMap(({ variant }) => variant.statements ?? []);
  const variants = parts.map(({ variant }) => variant);
  const blobs = parts.flatMap((part) => part.blobs);
  if (!isList && statements.length === 0) {
    const target = { ...first.variant.manifest, ...given('annotations', indexDescriptor) };
    return { target, variants, blobs: unique(blobs) };
  }
  const entries = parts.map(
    ({ variant: { manifest, platform }, annotations: { manifestDescriptor } }): Descriptor => ({
      ...manifest,
      platform,
      ...given('annotations', manifestDescriptor),
    }),
  );
  const mediaType = dockerTypes && statements.length === 0 ? mediaTypes.dockerIndex : mediaTypes.ociIndex;
  const index: ImageIndex = {
    schemaVersion: 2,
    mediaType,
    manifests: [...entries, ...statements],
    ...given('annotations', notes),
  };
  const top = await put(content, mediaType, encodeDocument(index));
  const target = { ...top, ...given('annotations', indexDescriptor) };
  return { target, variants, blobs: unique([top, ...blobs]) };
}

async function writePart(
  content: ContentOperation,
  image: ImageToWrite,
  { dockerTypes, artifactStatements }: Required<Omit<WriteOptions, 'isList'>>,
): Promise<Part> {
  const { config, predicates = [], annotations = noAnnotations } = image;
  const layers = dockerTypes ? image.layers.map(withDockerType) : image.layers;
  const configBytes = encodeDocument(config);
  const manifest: ImageManifest = {
    schemaVersion: 2,
    mediaType: dockerTypes ? mediaTypes.dockerManifest : mediaTypes.ociManifest,
    config: describeBytes(dockerTypes ? mediaTypes.dockerConfig : mediaTypes.ociConfig, configBytes),
    layers: layers.map(({ blob }) => blob),
    ...given('annotations', annotations.manifest),
  };
  const [described] = await Promise.all([
    put(content, manifest.mediaType as string, encodeDocument(manifest)),
    content.putBlob(configBytes, manifest.config.digest),
  ]);
  const { platform } = makeVariant(described, manifest, configBytes).variant;
  const variant = { manifest: described, config: manifest.config, platform, layers };
  const own = [described, manifest.config, ...manifest.layers];
  if (predicates.length === 0) return { variant, annotations, blobs: own };
  const about = { predicates, subjects: image.subjects ?? [], isArtifact: artifactStatements };
  const { descriptor: statements, blobs } = await putAttestation(content, described, about);
  return { variant: { ...variant, statements }, annotations, blobs: [...own, ...blobs] };
}

const given = <Name extends string>(
  name: Name,
  value: Readonly<Record<string, string>>,
): Partial<Record<Name, Readonly<Record<string, string>>>> =>
  Object.keys(value).length === 0 ? {} : ({ [name]: value } as Record<Name, Readonly<Record<string, string>>>);

const unique = (blobs: readonly Descriptor[]): Descriptor[] => [
  ...new Map(blobs.map((blob) => [blob.digest, blob])).values(),
];

async function put(content: ContentOperation, mediaType: string, bytes: Uint8Array): Promise<Descriptor> {
  const descriptor = describeBytes(mediaType, bytes);
  await content.putBlob(bytes, descriptor.digest);
  return descriptor;
}

interface Statements {
  readonly predicates: readonly Predicate[];
  readonly subjects: readonly string[];
  readonly isArtifact: boolean;
}

/** What an index has beside an image: a manifest whose layers are statements (BuildKit, attestation-storage.md). */
async function putAttestation(
  content: ContentOperation,
  about: Descriptor,
  { predicates, subjects, isArtifact }: Statements,
): Promise<{ readonly descriptor: Descriptor; readonly blobs: readonly Descriptor[] }> {
  const digest = { sha256: hexOf(about.digest) };
  const names = subjects.length === 0 ? ['_'] : subjects;
  const layers: Descriptor[] = [];
  for (const { type, predicate } of predicates) {
    const subject = names.map((name) => ({ name, digest }));
    const blob = await put(content, statementType, encodeDocument(statementOf(type, subject, predicate)));
    layers.push({ ...blob, annotations: { [predicateAnnotation]: type } });
  }
  const config = isArtifact ? await putEmpty(content) : await putConfig(content, layers);
  const { mediaType, digest: target, size } = about;
  const artifact = { artifactType, subject: { mediaType, digest: target, size } };
  const manifest: ImageManifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    ...(isArtifact ? artifact : {}),
    config,
    layers,
  };
  const bytes = await put(content, mediaTypes.ociManifest, encodeDocument(manifest));
  return {
    descriptor: {
      ...bytes,
      annotations: attestationAnnotations(about.digest),
      platform: { architecture: 'unknown', os: 'unknown' },
    },
    blobs: [bytes, config, ...layers],
  };
}

const artifactType = 'application/vnd.docker.attestation.manifest.v1+json';

/** A configuration that makes of statements something like an image. */
const putConfig = (content: ContentOperation, layers: readonly Descriptor[]): Promise<Descriptor> =>
  put(
    content,
    mediaTypes.ociConfig,
    encodeDocument({
      architecture: 'unknown',
      os: 'unknown',
      config: {},
      rootfs: { type: 'layers', diff_ids: layers.map((layer) => layer.digest) },
    }),
  );

/** OCI's empty descriptor: an artifact has no configuration. */
async function putEmpty(content: ContentOperation): Promise<Descriptor> {
  const bytes = encodeDocument({});
  const empty = await put(content, 'application/vnd.oci.empty.v1+json', bytes);
  return { ...empty, data: Buffer.from(bytes).toString('base64') };
}

const dockerLayers: Readonly<Record<string, string>> = {
  [mediaTypes.ociLayer]: mediaTypes.dockerLayer,
  [mediaTypes.ociLayerGzip]: mediaTypes.dockerLayerGzip,
};

function withDockerType({ blob, diffId }: BuiltLayer): BuiltLayer {
  if (blob.mediaType === mediaTypes.ociLayerZstd) {
    throw invalid("docker's media types have no layers compressed by zstd: leave oci-mediatypes=false out");
  }
  return { diffId, blob: { ...blob, mediaType: dockerLayers[blob.mediaType] ?? blob.mediaType } };
}
