import { Semaphore } from '../../base/async.ts';
import { EngineError, invalid } from '../../base/errors.ts';
import { Scope } from '../../base/scope.ts';
import type { Digest } from '../../base/ids.ts';
import type { BaseImage, BuildContent, BuiltLayer, Predicate, StepRequest } from '../../spec/contract/build.ts';
import type { ImageConfig, Platform } from '../../spec/oci/image.ts';
import { formatPlatform } from '../../spec/oci/platform.ts';
import { sbom } from '../attest/sbom.ts';
import { type AttestWishes, attestWishes } from '../attest/wishes.ts';
import { type ContextTree, releaseTree } from '../context/tree.ts';
import { SourceError } from '../control/failure.ts';
import type { BuildJob } from '../control/job.ts';
import { DockerfileError } from '../dockerfile/error.ts';
import type { BuildPlan } from '../plan/plan.ts';
import type { SourceLock } from '../lock/lock.ts';
import { imageKey } from '../planner/task.ts';
import type { CacheStep } from '../remote-cache/format.ts';
import { type ImportedSteps, wishesOf } from '../remote-cache/import.ts';
import { checkRuns } from '../solve/run-operation.ts';
import { squashLayers } from '../solve/squash.ts';
import { fetchSource } from '../sources/fetch.ts';
import { type AddedRoot, Evaluation } from '../solve/evaluate.ts';
import type { SolvePorts } from '../solve/ports.ts';
import type { AddedLayer, Agents, Allowed, Secrets } from '../solve/scope.ts';
import type { Logins } from './base-image.ts';
import { type Definition, ignoreIn, loadDefinition, loadIgnore, loadLock, placeOf } from './definition.ts';
import { linkedRef } from './linked.ts';
import { epochOf } from './epoch.ts';
import { type Attributes, targetsOf } from './options.ts';
import { type PlannedBuild, planned } from './planned.ts';
import type { BuildScope } from './scope.ts';
import type { BuildSource } from './source.ts';
import { volumesOf } from './volumes.ts';

/** What comes of a build: an image, or one for each platform that was asked for. */
export interface BuildResults {
  /** They are to be exported as a list, if only of one. */
  readonly isList: boolean;
  /** In the order of the platforms. */
  readonly images: readonly Built[];
}

/** An image that a build has made: its layers, and the plan that says everything else. */
export interface Built {
  /** Its place among those of its build. */
  readonly place: number;
  readonly plan: BuildPlan;
  /** Lowest first. */
  readonly layers: readonly BuiltLayer[];
  /** What each step of the history that may have a layer has added. */
  readonly added: readonly AddedLayer[];
  /** What every step has made that was looked at, and what those have made that the result consists of. */
  readonly steps: readonly CacheStep[];
  readonly resultSteps: readonly CacheStep[];
  /** Images that it stands on or takes files from. */
  readonly images: readonly UsedImage[];
  /** Folders of the client that it had files from. */
  readonly locals: readonly string[];
  readonly definition: Definition;
  readonly attributes: Attributes;
  /** Where it was made. */
  readonly builder: Platform;
  readonly attest: AttestWishes;
  /** What its sources were resolved to. */
  readonly lock: SourceLock;
  /** Lists of what the result consists of, where they were asked for. */
  readonly sboms: readonly Predicate[];
  /** The latest time that the result may show, in seconds since 1970; undefined for any. */
  readonly epoch: number | undefined;
}

/** How results for several platforms are told apart. */
export const platformId = ({ plan }: Built): string => formatPlatform(plan.image.platform);

export interface UsedImage {
  readonly reference: string;
  readonly platform: Platform;
  readonly digest: Digest;
}

/** Where a build has everything from that is not the engine's. */
export interface BuildOrigin {
  readonly attributes: Attributes;
  readonly source: BuildSource;
  readonly logins: Logins;
  readonly lock: SourceLock;
  readonly secrets: Secrets;
  readonly agents: Agents;
  readonly allowed: Allowed;
  /** Results of other builds, by what the plan calls them. */
  readonly linked: (reference: string) => BaseImage | undefined;
  /** What other engines have done of the build; gives nothing where nothing is known. */
  readonly imported: ImportedSteps;
  /** What commands run with besides what the Dockerfile and the attributes say. */
  readonly hostConfig?: StepRequest['hostConfig'];
  /** What commands may use. It is no part of what they make. */
  readonly limits?: StepRequest['hostConfig'];
}

/** Builds what a Dockerfile says (`dockerfile.v0`). `content` holds what it makes. */
export async function buildDockerfile(
  ports: SolvePorts,
  job: BuildJob,
  content: BuildContent,
  origin: BuildOrigin,
): Promise<BuildResults> {
  const targets = targetsOf(origin.attributes, ports.platform);
  const definition = await loadDefinition(job, origin.source, origin.attributes);
  await loadLock(job, origin, definition.name);
  try {
    const scope = { ports, job, content, definition, targets, ...origin };
    return { isList: targets.isList, images: await build(scope) };
  } catch (error) {
    if (!(error instanceof DockerfileError)) throw error;
    throw atItsPlace(error, definition);
  }
}

/** Lines that a message names are those of the text that was put together. */
function atItsPlace(error: DockerfileError, definition: Definition): SourceError {
  const place = placeOf(definition, error.range);
  if (definition.assembled === undefined) return new SourceError(error, place);
  const where = `on line ${place.ranges[0]?.start} of ${place.filename}`;
  return new SourceError(invalid(error.message.replace(/on line \d+/, where), error), place);
}

async function build(scope: BuildScope): Promise<readonly Built[]> {
  const { ports, job, content, source, attributes, definition, secrets, lock } = scope;
  const attest = attestWishes(attributes);
  const epoch = epochOf(attributes.get('build-arg:SOURCE_DATE_EPOCH'));
  const ignore = source.hasAll === true ? [] : await loadIgnore(job, source, definition);
  const whole = await planned(scope, ignore);
  await checkPlatforms(scope, whole);
  const { images } = whole;
  await using held = new Scope();
  const stop = new AbortController();
  const signal = AbortSignal.any([job.signal, stop.signal]);
  const trees = new Map<string, Promise<ContextTree>>();
  const context = (name: string): Promise<ContextTree> => {
    let tree = trees.get(name);
    if (tree === undefined) {
      tree = held.acquire(loadContext(scope, { whole, ignore, name, signal }), releaseTree);
      trees.set(name, tree);
    }
    return tree;
  };
  const evaluation = new Evaluation(ports, {
    graph: whole.graph,
    job,
    content,
    image: (reference, platform) => images.get(imageKey(reference, platform)),
    context,
    names: (name, folder) =>
      source.names(name, folder, AbortSignal.any([job.signal, AbortSignal.timeout(longestLookMs)])),
    fetch: (definition) =>
      held.acquire(
        fetchSource(ports.sources, job, { secrets, agents: scope.agents, lock, signal }, definition),
        releaseTree,
      ),
    signal,
    stop: () => stop.abort(new EngineError('cancelled', 'context canceled')),
    slots: new Semaphore(jobsOf(attributes)),
    secrets,
    agents: scope.agents,
    allowed: scope.allowed,
    imported: scope.imported,
    volumes: volumesOf(attributes),
    place: (range) => (range === undefined ? undefined : placeOf(definition, range)),
    hostConfig: {
      ...scope.hostConfig,
      ...(attributes.get('cgroup-parent') ? { CgroupParent: attributes.get('cgroup-parent') as string } : {}),
    },
    limits: scope.limits ?? {},
  });
  const made = await Promise.all(whole.results.map((result) => evaluation.result(result)));
  const steps = (await evaluation.made()).map(stepOf);
  const common = {
    steps,
    locals: ['dockerfile', ...trees.keys()],
    definition,
    attributes,
    builder: ports.platform,
    attest,
    lock,
    epoch,
  };
  const all: Built[] = [];
  for (const [place, plan] of whole.plans.entries()) {
    const chain = await evaluation.chain(whole.results[place] as number);
    const { layers, added } = await wantedLayers(scope, plan, made[place]?.layers ?? [], chain);
    const sboms = await sbomsOf(scope, attest, plan, layers);
    const resultSteps = chain.map(stepOf);
    all.push({ ...common, place, plan, layers, added, resultSteps, images: usedImages(plan, images), sboms });
  }
  return all;
}

/**
 * Commands that cannot run here fail the build before anything of it is done; unless there is a cache that may have what they
 * make. @throws SourceError with the place of the command
 */
async function checkPlatforms(
  { ports, attributes, definition: file }: BuildScope,
  { graph }: PlannedBuild,
): Promise<void> {
  if (wishesOf(attributes).length > 0) return;
  for (const { definition, about } of graph) {
    if (definition.kind !== 'run') continue;
    try {
      await checkRuns(ports, definition);
    } catch (error) {
      throw about.range === undefined ? error : new SourceError(error, placeOf(file, about.range));
    }
  }
}

async function sbomsOf(
  { ports, job, content, logins, lock, targets }: BuildScope,
  { sbom: wish }: AttestWishes,
  { image: { platform } }: BuildPlan,
  layers: readonly BuiltLayer[],
): Promise<readonly Predicate[]> {
  if (wish === undefined) return [];
  const about = targets.isList ? formatPlatform(platform) : undefined;
  return sbom({ ports, job, content, logins, lock, wish, layers, about });
}

/** The layers of the image, and what each step of its history has: with `squash` one for all that the build has made. */
async function wantedLayers(
  { attributes, job, content, targets }: BuildScope,
  plan: BuildPlan,
  layers: readonly BuiltLayer[],
  chain: readonly AddedRoot[],
): Promise<{ readonly layers: readonly BuiltLayer[]; readonly added: readonly AddedLayer[] }> {
  const added = chain.map((root) => root.added);
  const ofBase = plan.image.base?.rootfs.diff_ids.length ?? 0;
  const own = layers.slice(ofBase);
  if (attributes.get('squash') !== 'true' || own.length < 2) return { layers, added };
  const about = targets.isList ? `[${formatPlatform(plan.image.platform)}] ` : '';
  const layer = await job.step({ name: `${about}squashing layers` }, () => squashLayers(content, own, job.signal));
  const last = added.length - 1;
  return {
    layers: [...layers.slice(0, ofBase), ...(layer === undefined ? [] : [layer])],
    added: added.map((step, at) => ({ ...step, layer: at === last ? layer : undefined })),
  };
}

const stepOf = ({ key, layers, added }: AddedRoot): CacheStep => ({
  key,
  layers,
  createdNs: added.createdNs,
  hasLayer: added.layer !== undefined,
});

const usedImages = ({ graph }: BuildPlan, images: ReadonlyMap<string, BaseImage>): UsedImage[] =>
  graph.flatMap(({ definition }) => {
    if (definition.kind !== 'image' || linkedRef(definition.reference) !== undefined) return [];
    const { reference, platform } = definition;
    const image = images.get(imageKey(reference, platform));
    return image === undefined ? [] : [{ reference, platform: platformOf(image.config), digest: image.id }];
  });

const platformOf = ({ os, architecture, variant }: ImageConfig): Platform => ({
  os,
  architecture,
  ...(variant === undefined ? {} : { variant }),
});

/** How many steps of a build run at the same time, besides what the engine allows for all. @throws invalid */
function jobsOf(attributes: Attributes): number {
  const text = attributes.get('jobs') ?? '';
  if (text === '') return Number.POSITIVE_INFINITY;
  if (!/^[1-9]\d{0,5}$/.test(text)) throw invalid(`jobs: ${JSON.stringify(text)}: expected a number from 1 on`);
  return Number(text);
}

interface WantedContext {
  readonly whole: PlannedBuild;
  readonly ignore: readonly string[];
  readonly name: string;
  readonly signal: AbortSignal;
}

/** For what a missing file could be. */
const longestLookMs = 3000;

/** The files of a context that the plan uses. */
async function loadContext(
  { job, source, attributes }: BuildScope,
  { whole, ignore, name, signal }: WantedContext,
): Promise<ContextTree> {
  const isOwn = name === 'context';
  const paths = (whole.contextPaths.get(name) ?? ['/']).map((path) => path.replace(/^\/+/, ''));
  const isFolder = attributes.get(`context:${name}`)?.startsWith('local:') === true;
  const excludes = isOwn ? ignore : isFolder ? await ignoreIn(job, source, name) : [];
  const step = isOwn ? '[internal] load build context' : `[context ${name}] load from client`;
  return job.step({ name: step }, async (output) => {
    const line = output.line('transferring context:');
    const tree = await source.context(name, {
      excludes,
      paths: paths.includes('') ? [] : paths,
      progress: (bytes) => line.progress(bytes),
      signal,
    });
    line.done();
    return tree;
  });
}
