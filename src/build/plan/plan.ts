import type { ImageConfig, ImageHistoryEntry, ImageRunConfig, Platform } from '../../spec/oci/image.ts';
import { codeOf, messageOf } from '../../base/errors.ts';
import { DockerfileError } from '../dockerfile/error.ts';
import type { Dockerfile } from '../dockerfile/parse.ts';
import { linesRange } from '../dockerfile/source.ts';
import { Budget } from '../expand/budget.ts';
import { type Graph, GraphBuilder } from '../graph/graph.ts';
import type { PathMatcher } from '../ignore/matcher.ts';
import { knownBases } from './_bases.ts';
import { planStages } from './_stage.ts';
import { configOf, type StageState } from './_state.ts';
import type { Report } from './finding.ts';
import { globalArguments, type PlannedArgument } from './global-arguments.ts';
import type { BuildOptions, LookUp, WantedImage } from './options.ts';
import { resolveStages, targetStage } from './stages.ts';

export interface PlanRequest {
  readonly file: Dockerfile;
  readonly options: BuildOptions;
  readonly lookUp: LookUp;
  /** Takes what may not be meant. */
  readonly report?: Report;
  /** What the .dockerignore leaves out. */
  readonly ignored?: PathMatcher;
  /** Also stages that the target does not need: a check looks at all of them. */
  readonly allStages?: boolean;
  /** Of the work with variables; the usual one when it is left out. */
  readonly budget?: Budget;
}

export type PlanResult =
  | BuildPlan
  /** Images whose configuration has to be known before there is a plan; there may be more of them afterwards. */
  | { readonly kind: 'wants'; readonly images: readonly WantedImage[] };

/** Everything that a build does, before anything of it is done. */
export interface BuildPlan {
  readonly kind: 'plan';
  readonly graph: Graph;
  /** The operation whose result is the file system of the image. */
  readonly result: number;
  readonly image: PlannedImage;
  /** The stage that is built, by its name or `stage-N`. */
  readonly target: string;
  /** For each context in the graph what of it is used: clean paths and patterns below `/`; `/` is all. */
  readonly contextPaths: ReadonlyMap<string, readonly string[]>;
  /** What the build can be given by --build-arg, in the order of the lines. */
  readonly args: readonly PlannedArgument[];
}

/** The configuration of the image that comes out; layers are the solver's to add. */
export interface PlannedImage {
  readonly platform: Platform;
  readonly author: string | undefined;
  readonly config: ImageRunConfig;
  /** That of the base, and an entry for each instruction. */
  readonly history: readonly ImageHistoryEntry[];
  /**
   * The operations that have a layer above those of the base, lowest first: one for each entry of the history that is not
   * empty and not the base's. A layer is what the operation's result adds to its first input (a merge: its second input).
   */
  readonly layers: readonly number[];
  readonly base: ImageConfig | undefined;
}

/**
 * Plans a build: which stages are needed, what each of their instructions does, and what the image's configuration becomes.
 * Nothing is read, fetched or run: the same Dockerfile, options and images always give the same plan.
 * @throws DockerfileError for what is wrong in the file
 */
export function planBuild(request: PlanRequest): PlanResult {
  try {
    return plan(request);
  } catch (error) {
    if (codeOf(error) !== 'invalid' || error instanceof DockerfileError) throw error;
    throw new DockerfileError(messageOf(error), linesRange(1, 1));
  }
}

function plan({ file, options, lookUp, report = () => undefined, ...rest }: PlanRequest): PlanResult {
  const { budget = new Budget() } = rest;
  const targetName = options.target || (file.stages.at(-1)?.from.name ?? '');
  const defaults = defaultArguments(file, options, targetName, budget);
  const globals = globalArguments(file, options, targetName, budget);
  const stages = resolveStages({ file, options, globals, defaults, budget, report });
  const target = targetStage(stages, options.target);
  const scope = { file, options, globals, stages, budget, lookUp, target, allStages: rest.allStages ?? false };
  const bases = knownBases(scope);
  if ('wants' in bases) return { kind: 'wants', images: bases.wants };
  const graph = new GraphBuilder();
  const { states, contextPaths, args } = planStages({ ...scope, ...bases, graph, report, ignored: rest.ignored });
  const state = states.get(target) as StageState;
  const { graph: needed, places } = graph.upTo(state.root);
  const place = (operation: number): number => places.get(operation) as number;
  return {
    kind: 'plan',
    graph: needed,
    result: place(state.root),
    image: { ...imageOf(state, options), layers: state.layers.map(place) },
    target: stages[target]?.label ?? '',
    contextPaths,
    args,
  };
}

/** Undefined when a default cannot be expanded: that is said where it matters. */
function defaultArguments(file: Dockerfile, options: BuildOptions, target: string, budget: Budget) {
  try {
    return globalArguments(file, options, target, budget, true);
  } catch {
    return undefined;
  }
}

function imageOf(state: StageState, { labels, targetPlatform }: BuildOptions): Omit<PlannedImage, 'layers'> {
  const { author, history, base } = state;
  return { platform: targetPlatform ?? state.platform, author, config: configOf(state, labels), history, base };
}
