import type { Dockerfile } from './parse.ts';
import { printedRange } from './range-text.ts';
import type { Range } from './source.ts';

/** A parsed Dockerfile as text, for tests: one line an instruction; what is empty, false or not given is left out. */
export function printedDockerfile(file: Dockerfile): string {
  const lines = [
    ...(file.escape === '\\' ? [] : [`escape ${file.escape}`]),
    ...file.directives.map(({ name, value, range }) => `# ${name}=${value} @${range.start.line}`),
    ...file.globals.map((global) => printedInstruction(global)),
    ...file.stages.flatMap(({ from, instructions }) => [
      printedInstruction(from),
      ...instructions.map((instruction) => `  ${printedInstruction(instruction)}`),
    ]),
    ...file.emptyContinuations.map(({ start }) => `empty continuation @${start.line}`),
  ];
  return lines.join('\n');
}

const common = new Set(['kind', 'keyword', 'range', 'source', 'statement']);

function printedInstruction(instruction: { kind: string; range: Range }): string {
  const fields = Object.entries<unknown>({ ...instruction }).filter(([name]) => !common.has(name));
  const printed = fields.flatMap(([name, value]) => {
    // Of these two, false is something else than not given.
    const text = value === false && (name === 'unpack' || name === 'keepGitDir') ? 'false' : printedValue(value);
    return text === '' ? [] : [`${name}=${text}`];
  });
  return [`${instruction.kind} @${printedRange(instruction.range)}`, ...printed].join(' ');
}

function printedValue(value: unknown): string {
  if (value === undefined || value === false || value === '' || value === 0 || value === 0n) return '';
  if (Array.isArray(value)) return value.length === 0 ? '' : `[${value.map(printedValue).join(', ')}]`;
  if (typeof value !== 'object' || value === null)
    return typeof value === 'bigint' ? String(value) : (JSON.stringify(value) ?? '');
  const { text, range, ...rest } = value as { text?: string; range?: Range };
  const place = range === undefined ? '' : `@${printedRange(range)}`;
  if (text !== undefined && Object.keys(rest).length === 0) return JSON.stringify(text) + place;
  const fields = Object.entries({ ...(text === undefined ? {} : { text }), ...rest }).flatMap(([name, one]) => {
    const printed = printedValue(one);
    return printed === '' ? [] : [`${name}=${printed}`];
  });
  return `{${fields.join(' ')}}${place}`;
}
