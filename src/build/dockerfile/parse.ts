import { type Escape, LogicalLines } from './_logical-lines.ts';
import type { Directive } from './directives.ts';
import { DockerfileError, inInstruction } from './error.ts';
import type { ArgInstruction, FromInstruction } from './from.ts';
import { type Instruction, readInstruction, type StageInstruction } from './instruction.ts';
import { limits, linesRange, type Range, type Source } from './source.ts';
import { nextStatement, type Statement } from './statement.ts';
import { type Syntax, syntaxOf } from './syntax.ts';

/** A Dockerfile as it is written: nothing is expanded or looked up yet. */
export interface Dockerfile {
  readonly source: Source;
  readonly escape: Escape;
  readonly directives: readonly Directive[];
  readonly syntax: Syntax;
  /** ARG before the first FROM. */
  readonly globals: readonly ArgInstruction[];
  /** At least one. */
  readonly stages: readonly Stage[];
  /** The last lines of instructions that have an empty line among their continuations. */
  readonly emptyContinuations: readonly Range[];
}

export interface Stage {
  readonly index: number;
  readonly from: FromInstruction;
  readonly instructions: readonly StageInstruction[];
}

/** Reads a Dockerfile. Takes time in proportion to its length. @throws DockerfileError at the first fault */
export function parseDockerfile(source: Source): Dockerfile {
  if (source.text === '') throw new DockerfileError('the Dockerfile cannot be empty', linesRange(1, 1));
  const lines = new LogicalLines(source);
  const statements: Statement[] = [];
  const emptyContinuations: Range[] = [];
  for (let read = nextStatement(lines); read !== undefined; read = nextStatement(lines)) {
    const { statement, line } = read;
    statements.push(statement);
    if (line.hasEmptyContinuation) emptyContinuations.push(linesRange(line.last, line.last));
    if (statements.length > limits.instructions) {
      throw new DockerfileError(`more than ${limits.instructions} instructions`, statement.keyword.range);
    }
  }
  if (statements.length === 0) {
    throw new DockerfileError(
      'file with no instructions',
      linesRange(Math.max(lines.line, 1), Math.max(lines.line, 1)),
    );
  }
  const { escape, directives } = lines;
  const syntax = syntaxOf(directives);
  return { source, escape, directives, syntax, emptyContinuations, ...stagesOf(statements, syntax) };
}

/** The one instruction that a trigger of an image is. @throws DockerfileError */
export function parseTrigger(trigger: string, syntax: Syntax): StageInstruction {
  const lines = new LogicalLines({ name: 'ONBUILD', text: trigger });
  const first = nextStatement(lines);
  if (first === undefined || nextStatement(lines) !== undefined) {
    throw new DockerfileError('onbuild trigger should be a single expression', linesRange(1, 1));
  }
  const instruction = readInstruction(first.statement, syntax);
  if (instruction.kind !== 'from' && instruction.kind !== 'onbuild' && instruction.kind !== 'maintainer') {
    return instruction;
  }
  const name = first.statement.keyword.text.toUpperCase();
  throw new DockerfileError(`${name} isn't allowed as an ONBUILD trigger`, instruction.range);
}

function stagesOf(statements: readonly Statement[], syntax: Syntax): { globals: ArgInstruction[]; stages: Stage[] } {
  const globals: ArgInstruction[] = [];
  const stages: (Stage & { instructions: StageInstruction[] })[] = [];
  for (const statement of statements) {
    const instruction = instructionOf(statement, syntax);
    const stage = stages.at(-1);
    if (instruction.kind === 'from') stages.push({ index: stages.length, from: instruction, instructions: [] });
    else if (stage !== undefined) stage.instructions.push(instruction);
    else if (instruction.kind === 'arg') globals.push(instruction);
    else {
      throw new DockerfileError('no build stage in current context', instruction.range, { expected: 'FROM or ARG' });
    }
  }
  if (stages.length > 0) return { globals, stages };
  throw new DockerfileError('dockerfile contains no stages to build', linesRange(1, 1), { expected: 'FROM' });
}

function instructionOf(statement: Statement, syntax: Syntax): Instruction {
  try {
    return readInstruction(statement, syntax);
  } catch (error) {
    if (!(error instanceof DockerfileError)) throw error;
    throw inInstruction(error, statement.range.start.line);
  }
}
