import { internal, notFound } from '../../base/errors.ts';
import type { BaseImage, BuildContent } from '../../spec/contract/build.ts';
import { formatPlatform } from '../../spec/oci/platform.ts';
import { type Graph } from '../graph/graph.ts';
import { mergeGraphs } from '../graph/merge.ts';
import type { BaseImage as KnownImage, WantedImage } from '../plan/options.ts';
import type { BuildPlan } from '../plan/plan.ts';
import { planTask } from '../planner/planner.ts';
import { errorOf, imageKey, type PlanTask } from '../planner/task.ts';
import { baseImage } from './base-image.ts';
import { buildOptions } from './options.ts';
import type { BuildScope } from './scope.ts';
import { tellFindings } from './warnings.ts';

/** What is to be done for all platforms of a build. */
export interface PlannedBuild {
  /** One for each platform, in their order; places in them are those of its own graph. */
  readonly plans: readonly BuildPlan[];
  /** All of it, each step once. */
  readonly graph: Graph;
  /** The place in `graph` of what each plan results in. */
  readonly results: readonly number[];
  /** For each context what of it is used. */
  readonly contextPaths: ReadonlyMap<string, readonly string[]>;
  /** Those that the plans stand on, by `imageKey`. */
  readonly images: ReadonlyMap<string, BaseImage>;
}

/** Plans a build for each of its platforms, and looks images up until no plan wants more. */
export async function planned(scope: BuildScope, ignore: readonly string[]): Promise<PlannedBuild> {
  const lookUps = new LookUps(scope);
  const { platforms } = scope.targets;
  const plans = await Promise.all(platforms.map((_platform, at) => planFor(scope, { at, ignore, lookUps })));
  const [only] = plans;
  const { images } = lookUps;
  if (only !== undefined && plans.length === 1) {
    return { plans, graph: only.graph, results: [only.result], contextPaths: only.contextPaths, images };
  }
  const { graph, places } = mergeGraphs(plans.map((plan) => plan.graph));
  const results = plans.map(({ result }, at) => places[at]?.[result] as number);
  return { plans, graph, results, contextPaths: unitedPaths(plans), images };
}

function unitedPaths(plans: readonly BuildPlan[]): ReadonlyMap<string, readonly string[]> {
  const all = new Map<string, Set<string>>();
  for (const { contextPaths } of plans) {
    for (const [name, paths] of contextPaths) {
      const known = all.get(name) ?? new Set();
      for (const path of paths) known.add(path);
      all.set(name, known);
    }
  }
  return new Map([...all].map(([name, paths]) => [name, paths.has('/') ? ['/'] : [...paths].sort()]));
}

interface OnePlan {
  /** Which of the platforms. */
  readonly at: number;
  readonly ignore: readonly string[];
  readonly lookUps: LookUps;
}

async function planFor(scope: BuildScope, { at, ignore, lookUps }: OnePlan): Promise<BuildPlan> {
  const { ports, job, attributes, definition, targets } = scope;
  const plain = buildOptions(attributes, ports.platform, targets.platforms[at]);
  const options = targets.isList ? { ...plain, namesPlatform: true } : plain;
  const task: Omit<PlanTask, 'images'> = {
    purpose: 'build',
    source: { name: definition.name, text: definition.text },
    options,
    ignore,
  };
  for (;;) {
    const reply = await planTask(ports.planThread, { ...task, images: lookUps.known });
    if (reply.kind === 'fault') throw errorOf(reply.fault);
    if (reply.kind === 'plan') {
      const error = reply.fault === undefined ? undefined : errorOf(reply.fault);
      // They are the same for all platforms.
      if (at === 0) tellFindings(job, definition, { findings: reply.findings, error });
      return reply.plan;
    }
    if (reply.kind === 'checked') throw internal('a build was checked instead of planned');
    await Promise.all(reply.images.map((wanted) => lookUps.find(wanted)));
  }
}

/** Images of a build, each looked up once. */
class LookUps {
  readonly images = new Map<string, BaseImage>();
  readonly known = new Map<string, KnownImage>();
  readonly #scope: BuildScope;
  readonly #begun = new Map<string, Promise<void>>();

  constructor(scope: BuildScope) {
    this.#scope = scope;
  }

  find(wanted: WantedImage): Promise<void> {
    const key = imageKey(wanted.reference, formatPlatform(wanted.platform));
    const begun = this.#begun.get(key) ?? this.#find(wanted, key);
    this.#begun.set(key, begun);
    return begun;
  }

  async #find(wanted: WantedImage, key: string): Promise<void> {
    const { content, linked } = this.#scope;
    const made = linked(wanted.reference);
    const base = made === undefined ? await this.#lookUp(wanted) : await holdAll(content, made);
    this.images.set(key, base);
    this.known.set(key, { reference: wanted.reference, config: base.config });
  }

  #lookUp({ reference, platform: { ...wanted } }: WantedImage): Promise<BaseImage> {
    const { ports, job, content, attributes, logins, lock, targets } = this.#scope;
    const platform = formatPlatform(wanted);
    const mode = attributes.get('image-resolve-mode') ?? '';
    const name = `[${targets.isList ? `${platform} ` : ''}internal] load metadata for ${reference}`;
    return job.step({ name }, (output) =>
      baseImage(ports, content, { reference, platform, mode, logins, lock, output, signal: job.signal }),
    );
  }
}

/** @throws not-found when a layer of it has gone */
async function holdAll(content: BuildContent, image: BaseImage): Promise<BaseImage> {
  for (const layer of image.layers) {
    if (!(await content.hold(layer))) throw notFound('the result that the build stands on is not there any more');
  }
  return image;
}
