import { writeTar } from '../../archive/tar/write.ts';
import { invalid } from '../../base/errors.ts';
import { readAll } from '../../base/stream.ts';
import type { BuiltLayer, ImageToWrite, Predicate, WrittenImage, WrittenVariant } from '../../spec/contract/build.ts';
import { formatPlatform } from '../../spec/oci/platform.ts';
import { formatReference, parseReference, withDefaultTag } from '../../spec/reference/reference.ts';
import { provenance } from '../attest/provenance.ts';
import { packageUrl } from '../attest/purl.ts';
import type { StepOutput } from '../control/job.ts';
import { type Built, type BuildResults, platformId } from '../frontend/build.ts';
import { epochOf } from '../frontend/epoch.ts';
import { inlineCache } from '../remote-cache/export.ts';
import { annotationsFor, type ImageWishes, imageWishes } from './attributes.ts';
import { imageConfig } from './config.ts';
import { withLatestTime } from './root-members.ts';
import { pushNamed, pushWritten } from './push.ts';
import type { Exported, ExportScope } from './scope.ts';

/** The layers of an image as an exporter wants them: those of the base stay as they are, unless all are to be compressed anew. */
async function convertedLayers(
  { content, job }: ExportScope,
  { layers: all, plan }: Built,
  wishes: ImageWishes,
  epoch: number | undefined,
): Promise<readonly BuiltLayer[]> {
  const { compression, forceCompression, rewriteTimestamps } = wishes;
  if (rewriteTimestamps && epoch === undefined)
    throw invalid(
      'rewrite-timestamp needs SOURCE_DATE_EPOCH, as a build argument or source-date-epoch of the exporter',
    );
  const ofBase = plan.image.base?.rootfs.diff_ids.length ?? 0;
  const layers: BuiltLayer[] = [];
  for (const [index, layer] of all.entries()) {
    const isOwn = index >= ofBase;
    const wantsTimes = isOwn && rewriteTimestamps && epoch !== undefined;
    const wantsBytes = compression !== undefined && (isOwn || forceCompression);
    if (!wantsTimes && !wantsBytes) layers.push(layer);
    else {
      const conversion = {
        ...(compression === undefined ? {} : { compression }),
        ...(wantsTimes
          ? { change: (archive: Parameters<typeof withLatestTime>[0]) => writeTar(withLatestTime(archive, epoch)) }
          : {}),
      };
      layers.push(await content.convertLayer(layer, conversion, job.signal));
    }
  }
  return layers;
}

/** An image with its names, all in the store. */
export interface MadeImage {
  readonly image: WrittenImage;
  /** As users write them. */
  readonly names: readonly string[];
  readonly wishes: ImageWishes;
  readonly exported: Map<string, string>;
}

/** Writes the image of the result, with all its platforms. @throws invalid for a wish that is none, not-implemented */
export async function makeImage(scope: ExportScope, output: StepOutput): Promise<MadeImage> {
  const { content, request, results } = scope;
  const { isList } = results;
  const wishes = imageWishes(request.attributes);
  const { dockerTypes, artifactStatements } = wishes;
  checkAnnotations(wishes, results);
  const full = wishes.names.map((name) => formatReference(withDefaultTag(parseReference(name))));
  const line = output.line('exporting layers');
  const images: ImageToWrite[] = [];
  for (const built of results.images) images.push(await imageOf(scope, built, { wishes, names: full }));
  line.done();
  const image = await content.writeImage(images, { isList, dockerTypes, artifactStatements });
  // The history names it: it can be read there when the image has gone.
  const { target } = image;
  scope.job.record.keep(target.mediaType, await readAll(content.blob(target), target.size, 'the image'));
  for (const { manifest, config, statements } of image.variants) {
    output.line(`exporting manifest ${manifest.digest}`).done();
    output.line(`exporting config ${config.digest}`).done();
    if (statements !== undefined) output.line(`exporting attestation manifest ${statements.digest}`).done();
  }
  if (isList) output.line(`exporting manifest list ${image.target.digest}`).done();
  const [only] = isList ? [] : image.variants;
  const exported = new Map([
    ['containerimage.digest', image.target.digest],
    ...(only === undefined ? [] : [['containerimage.config.digest', only.config.digest] as const]),
    ['containerimage.descriptor', descriptorText(image, only, images[0]?.config.created)],
    ...(full.length === 0 ? [] : [['image.name', full.join(',')] as const]),
  ]);
  return { image, names: wishes.names, wishes, exported };
}

/** @throws invalid for a note at a platform that the list has not */
function checkAnnotations({ annotations }: ImageWishes, { isList, images }: BuildResults): void {
  if (!isList) return;
  for (const { platform } of annotations) {
    if (platform === undefined || images.some((built) => platformId(built) === platform)) continue;
    throw invalid(`invalid annotation: no platform ${platform} found in source`);
  }
}

async function imageOf(
  scope: ExportScope,
  built: Built,
  { wishes, names }: { readonly wishes: ImageWishes; readonly names: readonly string[] },
): Promise<ImageToWrite> {
  const { ports, request } = scope;
  const { platform } = built.plan.image;
  const epoch = epochOf(request.attributes.get('source-date-epoch')) ?? built.epoch;
  const layers = await convertedLayers(scope, built, wishes, epoch);
  const latest = epoch === undefined ? undefined : BigInt(epoch) * 1_000_000_000n;
  const plain = imageConfig(built, layers, { now: ports.clock.nowNs(), latest });
  const inline = wantsInlineCache(scope) ? inlineCache(built) : undefined;
  return {
    config: inline === undefined ? plain : { ...plain, 'moby.buildkit.cache.v0': inline },
    layers,
    annotations: annotationsFor(wishes.annotations, formatPlatform(platform)),
    predicates: predicatesOf(scope, built, wishes, epoch),
    subjects: names.map((name) => packageUrl(name, platform)),
  };
}

/**
 * What is said beside the image. Provenance that nobody asked for (clients do by default) comes along where the image leaves
 * the engine: it has the time of the build, and an image that was built before would be another one each time.
 */
function predicatesOf(
  { job, request }: ExportScope,
  built: Built,
  { push: leaves, inlineStatements }: ImageWishes,
  epoch: number | undefined,
): readonly Predicate[] {
  const { provenance: wish } = built.attest;
  const isWanted =
    wish !== undefined &&
    (!wish.isDefault || inlineStatements || ((leaves || request.type === 'oci') && epoch === undefined));
  return [...(isWanted ? [provenance(job, built, wish, new Date())] : []), ...built.sboms];
}

const wantsInlineCache = ({ job }: ExportScope): boolean =>
  job.request.cache?.exports.some(({ type }) => type === 'inline') === true;

/** What clients write into their files about a build: JSON in base64. */
function descriptorText(
  { target }: WrittenImage,
  only: WrittenVariant | undefined,
  created: string | undefined,
): string {
  const { mediaType, digest, size } = target;
  const annotations = {
    ...target.annotations,
    ...(only === undefined ? {} : { 'config.digest': only.config.digest }),
    ...(created === undefined ? {} : { 'org.opencontainers.image.created': created }),
  };
  const platform = digest === only?.manifest.digest ? { platform: only.platform } : {};
  const descriptor = { mediaType, digest, size, annotations, ...platform };
  return Buffer.from(JSON.stringify(descriptor)).toString('base64');
}

/** What an image is called: by tags, with its digest, and in answers to clients. */
interface GivenNames {
  readonly tagged: readonly string[];
  readonly canonical: readonly string[];
  readonly told: readonly string[];
}

/** Names without a tag that is pushed by its digest would be `latest` here, which nobody meant: the digest is their tag. */
function namesFor({ names, wishes, image }: MadeImage): GivenNames {
  const { pushByDigest, nameCanonical, danglingPrefix, danglingEmptyOnly } = wishes;
  const isTagged = (name: string): boolean => !pushByDigest || parseReference(name).tag !== undefined;
  const hasPrefix = danglingPrefix !== '' && (!danglingEmptyOnly || names.length === 0);
  const canonical = [
    ...names.filter((name) => nameCanonical || !isTagged(name)),
    ...(hasPrefix ? [danglingPrefix] : []),
  ];
  const tagged = names.filter(isTagged);
  const dangling = hasPrefix ? [`${danglingPrefix}@${image.target.digest}`] : [];
  const full = names.map((name) =>
    formatReference(isTagged(name) ? withDefaultTag(parseReference(name)) : parseReference(name)),
  );
  return { tagged, canonical, told: [...full, ...dangling] };
}

/** Puts the image into the engine's own store, under its names, and into their registries if that is wished. */
export async function exportImage(scope: ExportScope): Promise<Exported> {
  return scope.job.step({ name: 'exporting to image', serial: scope.request.index }, async (output) => {
    const made = await makeImage(scope, output);
    const { image, names, wishes, exported } = made;
    if (wishes.push && names.length === 0) throw invalid('tag is needed when pushing to registry');
    const given = namesFor(made);
    if (wishes.store) {
      await scope.content.recordImage(image, given.tagged, given.canonical);
      output.line(`writing image ${image.target.digest}`).done();
      for (const name of given.told) output.line(`naming to ${name}`).done();
    }
    if (wishes.push) {
      const isNamed = wishes.store && !wishes.pushByDigest;
      for (const name of names) {
        if (isNamed) await pushNamed(scope, formatReference(withDefaultTag(parseReference(name))), output);
        else await pushWritten(scope, image, { name, byDigest: wishes.pushByDigest }, output);
      }
    }
    if (given.told.length > 0) exported.set('image.name', given.told.join(','));
    // Clients take the configuration's digest for the image's id where they are told of it, and images have no such id here.
    return new Map([...exported].filter(([key]) => key !== 'containerimage.config.digest'));
  });
}
