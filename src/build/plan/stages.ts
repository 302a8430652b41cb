import { messageOf } from '../../base/errors.ts';
import { goQuote } from '../../base/text/quote.ts';
import type { Platform } from '../../spec/oci/image.ts';
import { parsePlatform } from '../../spec/oci/platform.ts';
import { parseReference } from '../../spec/reference/reference.ts';
import { DockerfileError, withNearest } from '../dockerfile/error.ts';
import type { FromInstruction } from '../dockerfile/from.ts';
import type { Dockerfile, Stage } from '../dockerfile/parse.ts';
import type { Word } from '../dockerfile/source.ts';
import type { Budget } from '../expand/budget.ts';
import { type Expanded, expand } from '../expand/expand.ts';
import { variablesOf } from '../expand/variables.ts';
import { hintSteps } from './_scope.ts';
import type { Report } from './finding.ts';
import type { GlobalArguments } from './global-arguments.ts';
import { contextFor, type ContextSource, imageReference } from './named-contexts.ts';
import type { BuildOptions } from './options.ts';

/** A stage whose FROM is understood. */
export interface ResolvedStage {
  readonly stage: Stage;
  /** Its name, or `stage-N`. */
  readonly label: string;
  readonly base: StageBase;
  /** A context of the stage's name was given: its instructions do not count. */
  readonly isReplaced: boolean;
  /** Variables of its FROM. */
  readonly uses: ReadonlySet<string>;
  /** Undefined: what the base has. */
  readonly platform: Platform | undefined;
}

export type StageBase =
  | { readonly kind: 'scratch' }
  | { readonly kind: 'stage'; readonly index: number }
  /** `reference` is normalised, with a tag; `written` is how the Dockerfile says it. */
  | { readonly kind: 'image'; readonly reference: string; readonly written: string }
  | ContextSource;

interface Scope {
  readonly file: Dockerfile;
  readonly options: BuildOptions;
  readonly globals: GlobalArguments;
  /** Images by their names when only defaults count, for the check of those. */
  readonly defaults: GlobalArguments | undefined;
  readonly budget: Budget;
  readonly report: Report;
}

/** What each stage stands on. @throws DockerfileError for a blank or wrong name or platform */
export function resolveStages(scope: Scope): readonly ResolvedStage[] {
  for (const { from } of scope.file.stages) checkDefaults(scope, from);
  const byName = new Map<string, number>();
  return scope.file.stages.map((stage) => {
    const { from, index } = stage;
    const label = from.name === '' ? `stage-${index}` : from.name;
    const platform = from.platform === undefined ? undefined : platformOf(scope, from, from.platform);
    const written = baseOf(scope, from, byName, platform);
    const replacement = from.name === '' ? undefined : contextFor(from.name, scope.options, platform);
    const base = replacement ?? written;
    if (from.name !== '') byName.set(from.name, index);
    const uses = usedBy(scope, from);
    return { stage, label, base, isReplaced: replacement !== undefined, uses, platform };
  });
}

function usedBy(scope: Scope, { base, platform }: FromInstruction): ReadonlySet<string> {
  return new Set(
    [base, ...(platform === undefined ? [] : [platform])].flatMap((word) => [...expanded(scope, word).used]),
  );
}

function expanded({ file, globals, budget }: Scope, { text, range }: Word): Expanded {
  try {
    return expand(text, variablesOf(globals.values), { escape: file.escape, budget });
  } catch (error) {
    throw new DockerfileError(messageOf(error), range);
  }
}

function baseOf(
  scope: Scope,
  from: FromInstruction,
  byName: ReadonlyMap<string, number>,
  platform: Platform | undefined,
): StageBase {
  const { text: name, missing } = expanded(scope, from.base);
  reportMissing(scope, from, missing);
  if (name === '') {
    const problem = withHint(`base name (${from.base.text}) should not be blank`, missing, scope);
    throw new DockerfileError(problem, from.base.range, { expected: 'an image, a stage above or scratch' });
  }
  const index = byName.get(name);
  if (index !== undefined) return { kind: 'stage', index };
  if (name === 'scratch') return { kind: 'scratch' };
  try {
    return (
      contextFor(name, scope.options, platform) ?? { kind: 'image', reference: imageReference(name), written: name }
    );
  } catch (error) {
    throw new DockerfileError(`failed to parse stage name ${goQuote(name)}: ${messageOf(error)}`, from.base.range, {
      expected: 'an image, a stage above or scratch',
    });
  }
}

function platformOf(scope: Scope, from: FromInstruction, word: Word): Platform {
  const { text, used, missing } = expanded(scope, word);
  reportMissing(scope, from, missing);
  reportPlatform(scope, from, word, { text, used, missing });
  const hint = (problem: string) => withHint(problem, missing, scope);
  if (text === '') {
    throw new DockerfileError(hint(`empty platform value from expression ${word.text}`), word.range);
  }
  try {
    return parsePlatform(text, scope.options.buildPlatform);
  } catch (error) {
    const problem = hint(`failed to parse platform ${word.text}: ${messageOf(error)}`);
    throw new DockerfileError(problem, word.range, { expected: 'os/architecture[/variant]' });
  }
}

/** The problem, and the name that was meant by the first variable that is not set. */
function withHint(problem: string, missing: ReadonlySet<string>, { globals, budget }: Scope): string {
  const { values, declared } = globals;
  for (const name of missing) {
    budget.spend(hintSteps * (declared.size + values.size));
    const hinted = withNearest(problem, name, [...declared.keys(), ...values.keys()]);
    if (hinted !== problem) return hinted;
  }
  return problem;
}

function reportMissing({ globals, budget, report }: Scope, from: FromInstruction, missing: ReadonlySet<string>): void {
  for (const name of missing) {
    if (globals.declared.has(name)) continue;
    budget.spend(hintSteps * (globals.declared.size + globals.values.size));
    const known = [...globals.declared.keys(), ...globals.values.keys()];
    const detail = withNearest(`FROM argument '${name}' is not declared`, name, known);
    report({ rule: 'UndefinedArgInFrom', detail, range: from.range, comments: from.comments });
  }
}

type Names = Pick<Expanded, 'text' | 'used' | 'missing'>;

function reportPlatform({ globals, report }: Scope, from: FromInstruction, word: Word, names: Names): void {
  const { text, used, missing } = names;
  const place = { range: from.range, comments: from.comments };
  const isOnlyTarget = used.size === 1 && missing.size === 0 && used.has('TARGETPLATFORM');
  if (isOnlyTarget && text === globals.values.get('TARGETPLATFORM')) {
    const detail = `Setting platform to predefined ${word.text} in FROM is redundant as this is the default behavior`;
    report({ rule: 'RedundantTargetPlatform', detail, ...place });
  }
  if (used.size > 0 || missing.size > 0) return;
  const [os = '', architecture = ''] = text.split('/');
  // A stage that says in its name what it is for means what it says.
  if (text === '' || from.name.includes(os) || (architecture !== '' && from.name.includes(architecture))) return;
  const detail = `FROM --platform flag should not use constant value ${goQuote(text)}`;
  report({ rule: 'FromPlatformFlagConstDisallowed', detail, ...place });
}

/** Says so when a base has no name, or a wrong one, unless build arguments are given. */
function checkDefaults({ file, defaults, budget, report }: Scope, from: FromInstruction): void {
  if (defaults === undefined) return;
  try {
    parseReference(expand(from.base.text, variablesOf(defaults.values), { escape: file.escape, budget }).text);
  } catch {
    const detail = `Default value for ARG ${from.base.text} results in empty or invalid base image name`;
    report({ rule: 'InvalidDefaultArgInFrom', detail, range: from.range, comments: from.comments });
  }
}

/**
 * The stage that a build is for: by name, else by number; the last one for nothing.
 * @throws EngineError `invalid`, with the nearest name
 */
export function targetStage(stages: readonly ResolvedStage[], target: string | undefined): number {
  if (target === undefined || target === '') return stages.length - 1;
  const byName = stages.findLastIndex(({ stage }) => stage.from.name === target.toLowerCase());
  if (byName >= 0) return byName;
  const number = /^[0-9]{1,6}$/.test(target) ? Number(target) : -1;
  if (number >= 0 && number < stages.length) return number;
  const names = stages.map(({ label }) => label);
  const problem = withNearest(`target stage ${goQuote(target)} could not be found`, target, names);
  throw new DockerfileError(problem, stages.at(-1)?.stage.from.range as Word['range'], {
    expected: `one of ${names.join(', ')}`,
  });
}
