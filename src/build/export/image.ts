import { writeTar } from '../../archive/tar/write.ts';
import { invalid } from '../../base/errors.ts';
import type { BuiltLayer, Predicate, WrittenImage } from '../../spec/contract/build.ts';
import { formatReference, parseReference, withDefaultTag } from '../../spec/reference/reference.ts';
import { provenance } from '../attest/provenance.ts';
import { packageUrl } from '../attest/purl.ts';
import type { StepOutput } from '../control/job.ts';
import { transferLines } from '../control/transfer-lines.ts';
import { epochOf } from '../frontend/epoch.ts';
import { inlineCache } from '../remote-cache/export.ts';
import { type ImageWishes, imageWishes } from './attributes.ts';
import { imageConfig } from './config.ts';
import { withLatestTime } from './root-members.ts';
import type { Exported, ExportScope } from './scope.ts';

/** The layers of the result as an exporter wants them: those of the base stay as they are, unless all are to be compressed anew. */
async function convertedLayers(
  { content, job, built }: ExportScope,
  wishes: ImageWishes,
  epoch: number | undefined,
): Promise<readonly BuiltLayer[]> {
  const { compression, forceCompression, rewriteTimestamps } = wishes;
  if (rewriteTimestamps && epoch === undefined)
    throw invalid(
      'rewrite-timestamp needs SOURCE_DATE_EPOCH, as a build argument or source-date-epoch of the exporter',
    );
  const ofBase = built.plan.image.base?.rootfs.diff_ids.length ?? 0;
  const layers: BuiltLayer[] = [];
  for (const [index, layer] of built.layers.entries()) {
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

/** Writes the image of the result. @throws invalid for a wish that is none, not-implemented */
export async function makeImage(scope: ExportScope, output: StepOutput): Promise<MadeImage> {
  const { ports, content, built, request } = scope;
  const wishes = imageWishes(request.attributes, built.plan.image.platform);
  const full = wishes.names.map((name) => formatReference(withDefaultTag(parseReference(name))));
  const epoch = epochOf(request.attributes.get('source-date-epoch')) ?? built.epoch;
  const line = output.line('exporting layers');
  const layers = await convertedLayers(scope, wishes, epoch);
  line.done();
  const latest = epoch === undefined ? undefined : BigInt(epoch) * 1_000_000_000n;
  const plain = imageConfig(built, layers, { now: ports.clock.nowNs(), latest });
  const inline = wantsInlineCache(scope) ? inlineCache(built) : undefined;
  const config = inline === undefined ? plain : { ...plain, 'moby.buildkit.cache.v0': inline };
  const { annotations, dockerTypes } = wishes;
  const subjects = full.map((name) => packageUrl(name, built.plan.image.platform));
  const predicates = predicatesOf(scope, wishes, epoch);
  const image = await content.writeImage({ config, layers, annotations, dockerTypes, predicates, subjects });
  output.line(`exporting manifest ${image.manifest.digest}`).done();
  output.line(`exporting config ${image.config.digest}`).done();
  const exported = new Map([
    ['containerimage.digest', image.target.digest],
    ['containerimage.config.digest', image.config.digest],
    ['containerimage.descriptor', descriptorText(image, config.created)],
    ...(full.length === 0 ? [] : [['image.name', full.join(',')] as const]),
  ]);
  return { image, names: wishes.names, wishes, exported };
}

/**
 * What is said beside the image. Provenance that nobody asked for (clients do by default) comes along where the image leaves
 * the engine: it has the time of the build, and an image that was built before would be another one each time.
 */
function predicatesOf(
  { job, built, request }: ExportScope,
  { push: leaves }: ImageWishes,
  epoch: number | undefined,
): readonly Predicate[] {
  const { provenance: wish } = built.attest;
  const isWanted =
    wish !== undefined && (!wish.isDefault || ((leaves || request.type === 'oci') && epoch === undefined));
  return [...(isWanted ? [provenance(job, built, wish, new Date())] : []), ...built.sboms];
}

const wantsInlineCache = ({ job }: ExportScope): boolean =>
  job.request.cache?.exports.some(({ type }) => type === 'inline') === true;

/** What clients write into their files about a build: JSON in base64. */
function descriptorText({ target, config, platform, manifest }: WrittenImage, created: string | undefined): string {
  const { mediaType, digest, size } = target;
  const annotations = {
    ...target.annotations,
    'config.digest': config.digest,
    ...(created === undefined ? {} : { 'org.opencontainers.image.created': created }),
  };
  const descriptor = { mediaType, digest, size, annotations, ...(digest === manifest.digest ? { platform } : {}) };
  return Buffer.from(JSON.stringify(descriptor)).toString('base64');
}

/** Puts the image into the engine's own store, under its names, and into their registries if that is wished. */
export async function exportImage(scope: ExportScope): Promise<Exported> {
  return scope.job.step({ name: 'exporting to image', serial: scope.request.index }, async (output) => {
    const { image, names, wishes, exported } = await makeImage(scope, output);
    if (wishes.push && names.length === 0) throw invalid('tag is needed when pushing to registry');
    await scope.content.recordImage(image, names);
    output.line(`writing image ${image.target.digest}`).done();
    const full = names.map((name) => formatReference(withDefaultTag(parseReference(name))));
    for (const name of full) output.line(`naming to ${name}`).done();
    if (wishes.push) for (const name of full) await push(scope, name, output);
    // Clients take the configuration's digest for the image's id where they are told of it, and images have no such id here.
    return new Map([...exported].filter(([key]) => key !== 'containerimage.config.digest'));
  });
}

async function push({ ports, job, logins }: ExportScope, reference: string, output: StepOutput): Promise<void> {
  const line = output.line(`pushing ${reference}`);
  const auth = await logins(parseReference(reference).domain, job.signal);
  const { progress, done } = transferLines(output);
  await ports.images.push({ reference, progress, signal: job.signal, ...(auth === undefined ? {} : { auth }) });
  done();
  line.done();
}
