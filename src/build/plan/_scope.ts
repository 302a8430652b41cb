import { messageOf } from '../../base/errors.ts';
import { nearestName } from '../../base/text/nearest.ts';
import type { Platform } from '../../spec/oci/image.ts';
import { formatPlatform, normalizePlatform, parsePlatform } from '../../spec/oci/platform.ts';
import { DockerfileError } from '../dockerfile/error.ts';
import type { StageInstruction } from '../dockerfile/instruction.ts';
import type { Range, Word } from '../dockerfile/source.ts';
import type { Budget } from '../expand/budget.ts';
import { type ExpandOptions, type Expanded, expand } from '../expand/expand.ts';
import { variablesOf } from '../expand/variables.ts';
import type { About } from '../graph/operation.ts';
import type { GraphBuilder } from '../graph/graph.ts';
import type { PathMatcher } from '../ignore/matcher.ts';
import type { OnceSeen, StageState } from './_state.ts';
import type { PlanRule, Report } from './finding.ts';
import type { GlobalArguments, PlannedArgument } from './global-arguments.ts';
import type { BuildOptions } from './options.ts';

/** What planning one stage works with. */
export interface Scope {
  readonly options: BuildOptions;
  readonly globals: GlobalArguments;
  readonly escape: '\\' | '`';
  readonly budget: Budget;
  readonly graph: GraphBuilder;
  readonly report: Report;
  /** What the .dockerignore leaves out, for a check. */
  readonly ignored: PathMatcher | undefined;
  readonly state: StageState;
  readonly once: OnceSeen;
  /** The place of the main context in the graph; asked for when it is used. */
  readonly context: () => number;
  /** Notes that files below a path of a source are used. */
  readonly use: (source: number, path: string) => void;
  /** Notes what a build can be given. */
  readonly declare: (argument: PlannedArgument) => void;
  readonly counter: StepCounter;
  readonly noCache: boolean;
}

/** Numbers the steps of a stage as clients show them. */
export interface StepCounter {
  /** The name of the stage; '' when there is only one. */
  readonly label: string;
  readonly total: number;
  /** Steps so far. */
  done: number;
  /** What is said of the platform; undefined where the build is for one. */
  platform: Platform | undefined;
  /** The steps of triggers say so. */
  isTrigger: boolean;
}

/** What a step is shown as: `[build 2/5] RUN make`. */
export function about(scope: Scope, title: string, range: Range): About {
  return { title: stepTitle(scope.counter, title, scope.state.variables), range, noCache: scope.noCache };
}

/** @param variables those of the stage, which may be for another platform than it runs on */
export function stepTitle(counter: StepCounter, title: string, variables: Variables = new Map()): string {
  if (counter.total === 0) return title;
  counter.done++;
  const number = String(counter.done).padStart(String(counter.total).length);
  const stage = counter.label === '' ? '' : `${counter.label} `;
  const platform = counter.platform === undefined ? '' : `${shownPlatform(counter.platform, variables)} `;
  return `[${platform}${stage}${number}/${counter.total}] ${counter.isTrigger ? 'ONBUILD ' : ''}${title}`;
}

type Variables = ReadonlyMap<string, string>;

/** `linux/amd64`, or `linux/amd64->arm64` in a stage that knows what it makes things for. */
function shownPlatform(platform: Platform, variables: Variables): string {
  const name = formatPlatform(platform);
  const target = targetOf(platform, variables);
  if (target === undefined || (target.os === platform.os && target.architecture === platform.architecture)) return name;
  const architecture = formatPlatform(target).slice(target.os.length + 1);
  return `${name}->${target.os === platform.os ? architecture : formatPlatform(target)}`;
}

function targetOf(platform: Platform, variables: Variables): Platform | undefined {
  const whole = variables.get('TARGETPLATFORM');
  try {
    if (whole !== undefined) return parsePlatform(whole, platform);
  } catch {
    // It is no platform, whatever it is.
  }
  const [os, architecture, variant] = ['TARGETOS', 'TARGETARCH', 'TARGETVARIANT'].map((name) => variables.get(name));
  if (os === undefined && architecture === undefined && variant === undefined) return undefined;
  return normalizePlatform({
    os: os || platform.os,
    architecture: architecture || platform.architecture,
    ...(variant ? { variant } : {}),
  });
}

/** Expands a word of an instruction, and says which of its variables are none, unless it `reports` nothing. @throws DockerfileError */
export function expanded(
  scope: Scope,
  instruction: StageInstruction,
  word: Word,
  { reports = true, ...options }: ExpandOptions & { readonly reports?: boolean } = {},
): Expanded {
  let result: Expanded;
  try {
    const { escape, budget, state } = scope;
    result = expand(word.text, variablesOf(state.variables), { escape, budget, ...options });
  } catch (error) {
    throw new DockerfileError(messageOf(error), word.range);
  }
  if (reports) reportUndefined(scope, instruction, result.missing);
  return result;
}

export const text = (scope: Scope, instruction: StageInstruction, word: Word): string =>
  expanded(scope, instruction, word).text;

/** An instruction as clients show it: its variables replaced, its keyword in capitals. */
export function shown(scope: Scope, { source, keyword }: StageInstruction, options: ExpandOptions = {}): string {
  const { escape, budget, state } = scope;
  const rest = source.slice(keyword.text.length);
  try {
    const { text: replaced } = expand(rest, variablesOf(state.variables), {
      escape,
      budget,
      keepsUnset: true,
      ...options,
    });
    return keyword.text.toUpperCase() + replaced;
  } catch {
    return keyword.text.toUpperCase() + rest;
  }
}

export function find(scope: Scope, instruction: StageInstruction, rule: PlanRule, detail: string, range?: Range): void {
  scope.report({ rule, detail, range: range ?? instruction.range, comments: instruction.comments });
}

/** Settings of the build that are no variables. */
const settings: ReadonlySet<string> = new Set(['BUILDKIT_SBOM_SCAN_CONTEXT', 'BUILDKIT_SBOM_SCAN_STAGE']);

/** To compare two names takes about so many steps. */
export const hintSteps = 32;

/**
 * An image that was not looked up may set any variable: on such a base only names count that are nearly those of a known
 * one.
 */
function reportUndefined(scope: Scope, instruction: StageInstruction, missing: ReadonlySet<string>): void {
  const { variables, args, isBaseUnknown } = scope.state;
  for (const name of missing) {
    if (args.has(name) || settings.has(name)) continue;
    scope.budget.spend(hintSteps * variables.size);
    const nearest = nearestName(name, variables.keys(), 2);
    if (isBaseUnknown && nearest === undefined) continue;
    const hint = nearest === undefined ? '' : ` (did you mean $${nearest}?)`;
    find(scope, instruction, 'UndefinedVar', `Usage of undefined variable '$${name}'${hint}`);
  }
}

export const isBuildSetting = (name: string): boolean => settings.has(name);
