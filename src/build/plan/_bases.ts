import { DockerfileError } from '../dockerfile/error.ts';
import { readInstruction, type StageInstruction } from '../dockerfile/instruction.ts';
import { type Dockerfile, parseTrigger } from '../dockerfile/parse.ts';
import type { Budget } from '../expand/budget.ts';
import type { Platform } from '../../spec/oci/image.ts';
import { formatPlatform } from '../../spec/oci/platform.ts';
import type { GlobalArguments } from './global-arguments.ts';
import { imageReference } from './named-contexts.ts';
import type { BuildOptions, LookUp, WantedImage } from './options.ts';
import { reachableStages } from './reachable.ts';
import { type FileSource, type SourcesOf, sourcesOfStage } from './sources.ts';
import type { ResolvedStage, StageBase } from './stages.ts';

interface Scope {
  readonly file: Dockerfile;
  readonly options: BuildOptions;
  readonly globals: GlobalArguments;
  readonly stages: readonly ResolvedStage[];
  readonly budget: Budget;
  readonly lookUp: LookUp;
  readonly target: number;
  readonly allStages: boolean;
}

export interface Bases {
  readonly reached: ReadonlySet<number>;
  /** Instructions that the base of a stage put in front of its own. */
  readonly triggers: ReadonlyMap<number, readonly StageInstruction[]>;
  readonly sources: readonly SourcesOf[];
}

/**
 * The stages that are needed with all that their bases add to them. Triggers of a base may need further stages and images,
 * whose bases may have triggers: it is asked until nothing new comes.
 */
export function knownBases(scope: Scope): Bases | { readonly wants: readonly WantedImage[] } {
  const byName = new Map(scope.stages.map(({ stage }, index) => [stage.from.name, index]));
  const triggers = new Map<number, readonly StageInstruction[]>();
  const sources = scope.stages.map((stage) => sourcesOf(scope, byName, stage, []));
  for (;;) {
    const needed = reachableStages(scope.stages, sources, scope.target);
    const reached = scope.allStages ? new Set(scope.stages.keys()) : needed;
    const wants = wantedImages(scope, sources, reached);
    const fresh = [...reached].filter((index) => addTriggers(scope, index, triggers));
    if (wants.length > 0) return { wants };
    if (fresh.length === 0) return { reached, triggers, sources };
    // Each round looks at all stages again.
    scope.budget.spend(4 * scope.stages.length);
    for (const index of fresh) {
      sources[index] = sourcesOf(scope, byName, scope.stages[index] as ResolvedStage, triggers.get(index) ?? []);
    }
  }
}

function sourcesOf(
  { stages, options, file, budget, globals }: Scope,
  byName: ReadonlyMap<string, number>,
  { stage, isReplaced }: ResolvedStage,
  triggers: readonly StageInstruction[],
): SourcesOf {
  const scope = { stages, byName, options, escape: file.escape, budget };
  return isReplaced ? new Map() : sourcesOfStage(scope, [...triggers, ...stage.instructions], globals.values);
}

/** Tells whether there are any that were not known. */
function addTriggers(scope: Scope, index: number, triggers: Map<number, readonly StageInstruction[]>): boolean {
  const resolved = scope.stages[index];
  if (resolved === undefined || triggers.has(index)) return false;
  const found = triggersOf(scope, resolved);
  if (found === undefined || found.length === 0) return false;
  triggers.set(index, found);
  return true;
}

function triggersOf(scope: Scope, resolved: ResolvedStage): readonly StageInstruction[] | undefined {
  const { base, stage } = resolved;
  try {
    if (base.kind === 'stage') {
      const above = scope.stages[base.index]?.stage.instructions ?? [];
      return above.flatMap((one) =>
        one.kind === 'onbuild' ? (readInstruction(one.statement, scope.file.syntax) as StageInstruction) : [],
      );
    }
    const wanted = wantedOf(scope, base, resolved.platform);
    const image = wanted === undefined ? undefined : scope.lookUp(wanted);
    if (image === undefined || image === 'unknown') return undefined;
    const written = image.config.config.OnBuild ?? [];
    // To read and to plan a trigger takes longer than its characters say.
    scope.budget.spend(written.reduce((sum, { length }) => sum + length + 500, 0));
    return written
      .map((one) => parseTrigger(one, scope.file.syntax))
      .map((one) => ({ ...one, range: stage.from.range }));
  } catch (error) {
    if (!(error instanceof DockerfileError)) throw error;
    // The trigger is in another file, or far above: it fires here.
    throw new DockerfileError(error.problem, stage.from.range, { expected: error.expected });
  }
}

/** The platform that a base is asked for. */
export const askedPlatform = ({ options }: { options: BuildOptions }, own: Platform | undefined): Platform =>
  own ?? options.targetPlatform ?? options.buildPlatform;

const imagePrefix = 'docker-image://';

/** The image that a base or a source is; undefined for one that is none. */
export function wantedOf(
  scope: { options: BuildOptions },
  source: StageBase | FileSource,
  own: Platform | undefined,
): WantedImage | undefined {
  const platform = askedPlatform(scope, own);
  if (source.kind === 'image') return { reference: source.reference, platform };
  if (source.kind !== 'context' || !source.locator.startsWith(imagePrefix)) return undefined;
  const name = source.locator.slice(imagePrefix.length);
  return name === 'scratch' ? undefined : { reference: imageReference(name), platform };
}

function wantedImages(scope: Scope, sources: readonly SourcesOf[], reached: ReadonlySet<number>): WantedImage[] {
  const wants = new Map<string, WantedImage>();
  const want = (source: StageBase | FileSource | undefined, own: Platform | undefined) => {
    const wanted = source === undefined ? undefined : wantedOf(scope, source, own);
    if (wanted === undefined || scope.lookUp(wanted) !== undefined) return;
    wants.set(`${wanted.reference} ${formatPlatform(wanted.platform)}`, wanted);
  };
  for (const index of reached) {
    const resolved = scope.stages[index];
    want(resolved?.base, resolved?.platform);
    for (const found of sources[index]?.values() ?? []) for (const source of found) want(source, undefined);
  }
  return [...wants.values()];
}
