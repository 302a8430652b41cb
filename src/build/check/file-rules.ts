import { goQuote } from '../../base/text/quote.ts';
import type { FromInstruction } from '../dockerfile/from.ts';
import type { Instruction } from '../dockerfile/instruction.ts';
import type { Dockerfile } from '../dockerfile/parse.ts';
import type { Finding } from '../plan/finding.ts';
import type { RuleName } from './rules.ts';

type FileFinding = Finding<RuleName>;

/** What the text of a Dockerfile alone shows; what its instructions do is for the plan to find. */
export function checkFile(file: Dockerfile): FileFinding[] {
  const instructions = file.stages.flatMap((stage): Instruction[] => [stage.from, ...stage.instructions]);
  return [
    ...file.emptyContinuations.map(
      (range): FileFinding => ({ rule: 'NoEmptyContinuation', detail: 'Empty continuation line', range, comments: [] }),
    ),
    ...file.stages.flatMap(({ from }) => [...stageCasing(from), ...asCasing(from)]),
    ...instructions.flatMap(maintainer),
    ...[...file.globals, ...instructions].flatMap(description),
    ...stageNames(file),
    ...casing(instructions),
  ];
}

const at = ({ range, comments }: Instruction, rule: RuleName, detail: string): FileFinding => ({
  rule,
  detail,
  range,
  comments,
});

const isLower = (text: string): boolean => text === text.toLowerCase();
const isUpper = (text: string): boolean => text === text.toUpperCase();

function stageCasing(from: FromInstruction): FileFinding[] {
  const name = from.writtenName?.text ?? '';
  if (isLower(name)) return [];
  return [at(from, 'StageNameCasing', `Stage name '${name}' should be lowercase`)];
}

function asCasing(from: FromInstruction): FileFinding[] {
  const { text: keyword } = from.keyword;
  const as = from.as?.text;
  // Keywords of both cases are another rule's.
  if (as === undefined || (!isLower(keyword) && !isUpper(keyword))) return [];
  if (isLower(keyword) ? isLower(as) : isUpper(as)) return [];
  return [at(from, 'FromAsCasing', `'${as}' and '${keyword}' keywords' casing do not match`)];
}

function maintainer(instruction: Instruction): FileFinding[] {
  if (instruction.kind !== 'maintainer') return [];
  return [at(instruction, 'MaintainerDeprecated', 'Maintainer instruction is deprecated in favor of using label')];
}

/** The comment right above says what it describes, when it is a description at all. */
function description(instruction: Instruction): FileFinding[] {
  const names = describedNames(instruction);
  const first = instruction.comments.at(-1)?.split(' ', 1)[0];
  if (names.length === 0 || first === undefined || names.includes(first)) return [];
  const example = names.length > 1 ? '<arg_key>' : names[0];
  const keyword = instruction.kind.toUpperCase();
  const detail = `Comment for ${keyword} should follow the format: \`# ${example} <description>\``;
  return [at(instruction, 'InvalidDefinitionDescription', detail)];
}

function describedNames(instruction: Instruction): readonly string[] {
  if (instruction.kind === 'arg') return instruction.args.map(({ name }) => name);
  return instruction.kind === 'from' && instruction.name !== '' ? [instruction.name] : [];
}

function stageNames({ stages }: Dockerfile): FileFinding[] {
  const seen = new Set<string>();
  return stages.flatMap(({ from }) => {
    const { name } = from;
    if (name === '') return [];
    const findings: FileFinding[] = [];
    if (name === 'scratch' || name === 'context') {
      const detail = `Stage name should not use the same name as reserved stage ${goQuote(name)}`;
      findings.push(at(from, 'ReservedStageName', detail));
    }
    if (seen.has(name)) {
      const detail = `Duplicate stage name ${goQuote(name)}, stage names should be unique`;
      findings.push(at(from, 'DuplicateStageName', detail));
    }
    seen.add(name);
    return findings;
  });
}

/** Every keyword is to be written as most are; capitals win when there are as many of both. */
function casing(instructions: readonly Instruction[]): FileFinding[] {
  let [lower, upper] = [0, 0];
  for (const { keyword } of instructions) {
    if (isLower(keyword.text)) lower++;
    else if (isUpper(keyword.text)) upper++;
  }
  const wantsLower = lower > upper;
  return instructions.flatMap((instruction) => {
    const { text } = instruction.keyword;
    if (wantsLower ? isLower(text) : isUpper(text)) return [];
    const wanted = wantsLower ? 'lowercase' : 'uppercase';
    const detail = `Command '${text}' should match the case of the command majority (${wanted})`;
    return [at(instruction, 'ConsistentInstructionCasing', detail)];
  });
}
