import { messageOf } from '../../base/errors.ts';
import { goQuote } from '../../base/text/quote.ts';
import { DockerfileError } from '../dockerfile/error.ts';
import type { StageInstruction } from '../dockerfile/instruction.ts';
import type { Word } from '../dockerfile/source.ts';
import type { Budget } from '../expand/budget.ts';
import { expand } from '../expand/expand.ts';
import { variablesOf } from '../expand/variables.ts';
import { contextFor, type ContextSource, imageReference } from './named-contexts.ts';
import type { BuildOptions } from './options.ts';
import type { ResolvedStage } from './stages.ts';

/** Where an instruction takes files from, when it is not the context. */
export type FileSource =
  | { readonly kind: 'scratch' }
  | { readonly kind: 'stage'; readonly index: number }
  | { readonly kind: 'image'; readonly reference: string; readonly written: string }
  | ContextSource;

interface Scope {
  readonly stages: readonly ResolvedStage[];
  /** The last stage of each name. */
  readonly byName: ReadonlyMap<string, number>;
  readonly options: BuildOptions;
  readonly escape: '\\' | '`';
  readonly budget: Budget;
}

/** The names that instructions of one stage take files from, in their order; undefined for those that take none. */
export type SourcesOf = ReadonlyMap<StageInstruction, readonly (FileSource | undefined)[]>;

/**
 * Finds the sources of all instructions of a stage. Stages have to be known before anything is run, so a name may have
 * variables, but only build arguments: those before the first FROM, and those of the stage that stand above.
 * @param globals values of ARG before the first FROM
 * @throws DockerfileError for a variable that is none, a wrong name or number
 */
export function sourcesOfStage(
  scope: Scope,
  instructions: readonly StageInstruction[],
  globals: ReadonlyMap<string, string>,
): SourcesOf {
  const args = new Map(globals);
  const sources = new Map<StageInstruction, readonly (FileSource | undefined)[]>();
  for (const instruction of instructions) {
    if (instruction.kind === 'arg') declare(scope, instruction.args, args);
    else if (instruction.kind === 'copy' && instruction.from !== undefined && instruction.from.text !== '') {
      sources.set(instruction, [sourceOf(scope, instruction.from, nameIn(scope, instruction.from, args), true)]);
    } else if (instruction.kind === 'run') {
      const found = instruction.mounts.map(({ flag, from }) =>
        from === '' ? undefined : sourceOf(scope, flag, from, false),
      );
      sources.set(instruction, found);
    }
  }
  return sources;
}

function declare(
  { options, escape, budget }: Scope,
  declared: readonly { readonly name: string; readonly value: string | undefined }[],
  args: Map<string, string>,
): void {
  for (const { name, value } of declared) {
    try {
      const set = options.args.get(name) ?? (value === undefined ? undefined : expandDefault(value, args));
      if (set !== undefined) args.set(name, set);
    } catch {
      // The stage says what is wrong when it comes to this ARG.
    }
  }
  function expandDefault(text: string, values: ReadonlyMap<string, string>): string {
    return expand(text, variablesOf(values), { escape, budget }).text;
  }
}

function nameIn({ escape, budget }: Scope, { text, range }: Word, args: ReadonlyMap<string, string>): string {
  let name: string;
  let missing: readonly string[];
  try {
    const expanded = expand(text, variablesOf(args), { escape, budget });
    name = expanded.text;
    missing = [...expanded.missing];
  } catch (error) {
    throw new DockerfileError(messageOf(error), range);
  }
  if (missing.length === 0) return name;
  const problem = `variable expansion in --from needs a build argument, and ${missing.map((one) => `$${one}`).join(', ')} is none here`;
  throw new DockerfileError(problem, range, { expected: 'a stage, an image, or ARG above' });
}

/** @param byNumber a number is a stage, not an image */
function sourceOf({ stages, byName, options }: Scope, place: Word, name: string, byNumber: boolean): FileSource {
  const number = byNumber && /^[+-]?[0-9]+$/.test(name) ? Number(name) : undefined;
  if (number !== undefined) {
    if (number >= 0 && number < stages.length) return { kind: 'stage', index: number };
    const expected = `a number from 0 to ${stages.length - 1}`;
    throw new DockerfileError(`invalid stage index ${number}`, place.range, { expected });
  }
  const index = byName.get(name.toLowerCase());
  if (index !== undefined && name !== '') return { kind: 'stage', index };
  if (name === 'scratch') return { kind: 'scratch' };
  try {
    return contextFor(name, options) ?? { kind: 'image', reference: imageReference(name), written: name };
  } catch (error) {
    const problem = `failed to parse stage name ${goQuote(name)}: ${messageOf(error)}`;
    throw new DockerfileError(problem, place.range, { expected: 'a stage, an image or a context' });
  }
}
