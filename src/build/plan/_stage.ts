import { codeOf, messageOf } from '../../base/errors.ts';
import { goQuote } from '../../base/text/quote.ts';
import type { ImageConfig, Platform } from '../../spec/oci/image.ts';
import { formatPlatform, normalizePlatform } from '../../spec/oci/platform.ts';
import { DockerfileError } from '../dockerfile/error.ts';
import type { StageInstruction } from '../dockerfile/instruction.ts';
import type { Dockerfile } from '../dockerfile/parse.ts';
import type { Budget } from '../expand/budget.ts';
import type { GraphBuilder } from '../graph/graph.ts';
import type { PathMatcher } from '../ignore/matcher.ts';
import { askedPlatform, type Bases, wantedOf } from './_bases.ts';
import { applyCopy } from './_copy.ts';
import { applyRun } from './_run.ts';
import { type Scope, type StepCounter, stepTitle } from './_scope.ts';
import {
  applyArg,
  applyCommand,
  applyExpose,
  applyHealthcheck,
  applyPairs,
  applyShell,
  applyVolume,
  applyWord,
} from './_settings.ts';
import { applyUnset } from './_unset.ts';
import { copyState, freshState, note, type StageState } from './_state.ts';
import type { Report } from './finding.ts';
import { argumentsUsed, type GlobalArguments, type PlannedArgument } from './global-arguments.ts';
import type { BuildOptions, LookUp } from './options.ts';
import type { FileSource } from './sources.ts';
import type { ResolvedStage, StageBase } from './stages.ts';

interface Planning extends Bases {
  readonly file: Dockerfile;
  readonly options: BuildOptions;
  readonly globals: GlobalArguments;
  readonly stages: readonly ResolvedStage[];
  readonly budget: Budget;
  readonly lookUp: LookUp;
  readonly graph: GraphBuilder;
  readonly report: Report;
  readonly ignored: PathMatcher | undefined;
}

/** The same with what comes of it. */
interface Progress extends Planning {
  readonly states: Map<number, StageState>;
  /** Paths that are used, by the place of a context in the graph. */
  readonly used: Map<number, { readonly name: string; readonly paths: Set<string> }>;
  /** By name: of two the one further below counts. */
  readonly args: Map<string, PlannedArgument>;
}

export interface PlannedStages {
  readonly states: ReadonlyMap<number, StageState>;
  readonly contextPaths: ReadonlyMap<string, readonly string[]>;
  readonly args: readonly PlannedArgument[];
}

/** Plans the stages that are needed, from top to bottom. */
export function planStages(planning: Planning): PlannedStages {
  const progress: Progress = { ...planning, states: new Map(), used: new Map(), args: new Map() };
  for (const index of [...planning.reached].sort((a, b) => a - b)) {
    const resolved = planning.stages[index] as ResolvedStage;
    for (const argument of argumentsUsed(planning.globals, resolved.uses)) progress.args.set(argument.name, argument);
    progress.states.set(index, planStage(progress, resolved, planning.triggers.get(index) ?? []));
  }
  const contextPaths = new Map([...progress.used.values()].map(({ name, paths }) => [name, pathsOf(paths)]));
  const args = [...progress.args.values()].sort((a, b) => a.range.start.line - b.range.start.line);
  return { states: progress.states, contextPaths, args };
}

/** In their order; all when the root is among them. */
const pathsOf = (paths: ReadonlySet<string>): string[] => (paths.has('/') ? ['/'] : [...paths].sort());

const counted: ReadonlySet<string> = new Set(['add', 'copy', 'run', 'workdir']);

/** What is mounted or copied from an image counts as a stage: titles of steps name the only one of the file then, as BuildKit's do. */
const takesFromOutside = (instruction: StageInstruction): boolean =>
  (instruction.kind === 'run' && instruction.mounts.length > 0) ||
  (instruction.kind === 'copy' && instruction.from !== undefined);

function planStage(progress: Progress, resolved: ResolvedStage, triggers: readonly StageInstruction[]): StageState {
  const { stage, base, label, isReplaced } = resolved;
  const own = isReplaced ? [] : stage.instructions;
  const isNew = base.kind === 'image' || base.kind === 'context';
  const counter: StepCounter = {
    label: progress.stages.length === 1 && !own.some(takesFromOutside) ? '' : label,
    total: [...triggers, ...own].filter(({ kind }) => counted.has(kind)).length + (isNew ? 1 : 0),
    done: 0,
    platform: progress.options.namesPlatform === true ? askedPlatform(progress, resolved.platform) : undefined,
    isTrigger: false,
  };
  const state = baseState(progress, resolved, counter);
  if (counter.platform !== undefined) counter.platform = state.platform;
  const once = {};
  const { noCache } = progress.options;
  const scope: Scope = {
    ...progress,
    escape: progress.file.escape,
    state,
    once,
    context: () => contextOperation(progress, 'context', undefined, ''),
    use: (source, path) => void progress.used.get(source)?.paths.add(path),
    declare: (argument) => void progress.args.set(argument.name, argument),
    counter,
    noCache: noCache === true || (noCache !== false && noCache.has(stage.from.name)),
  };
  // Triggers are written with the usual escape character, whatever this file has.
  const trigger: Scope = { ...scope, escape: '\\' };
  counter.isTrigger = true;
  for (const instruction of triggers) apply(trigger, instruction, placesOf(progress, resolved, instruction));
  counter.isTrigger = false;
  for (const instruction of own) apply(scope, instruction, placesOf(progress, resolved, instruction));
  return state;
}

/** What goes wrong without saying where (a value that becomes too long) is said at the instruction. */
function apply(scope: Scope, instruction: StageInstruction, sources: readonly (number | undefined)[]): void {
  try {
    applyInstruction(scope, instruction, sources);
  } catch (error) {
    if (codeOf(error) !== 'invalid' || error instanceof DockerfileError) throw error;
    throw new DockerfileError(messageOf(error), instruction.range);
  }
}

function applyInstruction(scope: Scope, instruction: StageInstruction, sources: readonly (number | undefined)[]): void {
  switch (instruction.kind) {
    case 'env':
    case 'label':
      return applyPairs(scope, instruction);
    case 'arg':
      return applyArg(scope, instruction);
    case 'user':
    case 'workdir':
    case 'stopsignal':
    case 'maintainer':
      return applyWord(scope, instruction);
    case 'expose':
      return applyExpose(scope, instruction);
    case 'volume':
      return applyVolume(scope, instruction);
    case 'cmd':
    case 'entrypoint':
      return applyCommand(scope, instruction);
    case 'shell':
      return applyShell(scope, instruction);
    case 'healthcheck':
      return applyHealthcheck(scope, instruction);
    case 'unset':
      return applyUnset(scope, instruction);
    case 'onbuild':
      scope.state.config.OnBuild = [...(scope.state.config.OnBuild ?? []), instruction.trigger];
      return;
    case 'copy':
    case 'add':
      return applyCopy(scope, instruction, sources[0]);
    case 'run':
      return applyRun(scope, instruction, sources);
  }
}

/** Where in the graph the files are that an instruction takes from elsewhere. */
function placesOf(
  progress: Progress,
  { stage }: ResolvedStage,
  instruction: StageInstruction,
): readonly (number | undefined)[] {
  const found = progress.sources[stage.index]?.get(instruction) ?? [];
  return found.map((source) => (source === undefined ? undefined : sourceOperation(progress, source)));
}

const hidden = (title: string) => ({ title, range: undefined, noCache: false });

function sourceOperation(progress: Progress, source: FileSource): number {
  const { graph, states } = progress;
  if (source.kind === 'scratch') return graph.add({ kind: 'scratch' }, [], hidden('scratch'));
  if (source.kind === 'stage') return (states.get(source.index) as StageState).root;
  const image = imageOperation(progress, source, undefined, (reference) => `FROM ${reference}`);
  return image?.root ?? contextOperation(progress, (source as { name: string }).name, locatorOf(source), '');
}

const locatorOf = (source: StageBase | FileSource): string | undefined =>
  source.kind === 'context' ? source.locator : undefined;

function contextOperation(progress: Progress, name: string, locator: string | undefined, title: string): number {
  const what = locator === undefined ? 'load build context' : `[context ${name}] load from client`;
  const definition = { kind: 'context', name, ...(locator === undefined ? {} : { locator }) } as const;
  const place = progress.graph.add(
    definition,
    [],
    hidden(title || (locator === undefined ? `[internal] ${what}` : what)),
  );
  if (!progress.used.has(place)) progress.used.set(place, { name, paths: new Set() });
  return place;
}

interface ImageRoot {
  readonly root: number;
  readonly config: ImageConfig | undefined;
}

/** Undefined for what is no image; without a configuration when it is not known. */
function imageOperation(
  progress: Progress,
  source: StageBase | FileSource,
  own: Platform | undefined,
  title: (reference: string) => string,
): ImageRoot | undefined {
  const wanted = wantedOf(progress, source, own);
  if (wanted === undefined) return undefined;
  const image = progress.lookUp(wanted);
  const known = image === undefined || image === 'unknown' ? undefined : image;
  const reference = known?.reference ?? wanted.reference;
  const definition = { kind: 'image', reference, platform: formatPlatform(wanted.platform) } as const;
  const root = progress.graph.add(definition, [], hidden(title(reference)));
  return { root, config: known?.config };
}

/** Of its second input all that is there. */
const wholeContext = {
  from: 1,
  source: '/',
  isPattern: false,
  destination: '/',
  contentsOnly: true,
  unpack: false,
} as const;

function baseState(progress: Progress, resolved: ResolvedStage, counter: StepCounter): StageState {
  const { base, platform: own, stage } = resolved;
  const { graph, states } = progress;
  const platform = askedPlatform(progress, own);
  if (base.kind === 'stage') return copyState(states.get(base.index) as StageState, progress.budget);
  const isEmpty = base.kind === 'scratch' || (base.kind === 'context' && base.locator === 'docker-image://scratch');
  if (isEmpty) return freshState(graph.add({ kind: 'scratch' }, [], hidden('scratch')), platform, undefined);
  const image = imageOperation(progress, base, own, (reference) => stepTitle(counter, `FROM ${reference}`));
  if (image === undefined && base.kind === 'context') {
    const place = contextOperation(progress, base.name, base.locator, stepTitle(counter, `FROM context ${base.name}`));
    progress.used.get(place)?.paths.add('/');
    const empty = graph.add({ kind: 'scratch' }, [], hidden('scratch'));
    const root = graph.add(
      { kind: 'copy', actions: [wholeContext] },
      [empty, place],
      hidden(`[context ${base.name}] as base`),
    );
    const state = freshState(root, platform, undefined);
    note({ state, budget: progress.budget }, `FROM context ${base.name}`, true);
    return state;
  }
  const config = image?.config;
  if (config !== undefined) reportPlatform(progress, resolved, config, platform);
  const isAsked = own !== undefined || progress.options.targetPlatform !== undefined;
  const state = freshState(image?.root ?? 0, isAsked || config === undefined ? platform : platformOf(config), config);
  if (config !== undefined) state.programs = platformOf(config);
  state.isBaseUnknown = config === undefined;
  if (config !== undefined && config.os === 'windows') {
    throw new DockerfileError('images of Windows cannot be built on: this engine runs Linux', stage.from.range);
  }
  return state;
}

function platformOf({ os, architecture, variant }: ImageConfig): Platform {
  return normalizePlatform({ os, architecture, ...(variant === undefined ? {} : { variant }) });
}

function reportPlatform(
  { report }: Progress,
  { base, stage: { from } }: ResolvedStage,
  config: ImageConfig,
  expected: Platform,
): void {
  if (config.os === expected.os && config.architecture === expected.architecture) return;
  const name = base.kind === 'image' ? base.written : '';
  const [actual, wanted] = [platformOf(config), expected].map((one) => goQuote(formatPlatform(one)));
  const detail = `Base image ${name} was pulled with platform ${actual}, expected ${wanted} for current build`;
  report({ rule: 'InvalidBaseImagePlatform', detail, range: from.range, comments: from.comments });
}
