import type { DockerfileError } from '../dockerfile/error.ts';
import type { Range, Source } from '../dockerfile/source.ts';
import type { CheckResult } from './check.ts';
import { excerpt } from './excerpt.ts';
import { rulePage, rules } from './rules.ts';

/** What was found, as `docker build --check` prints it: how much, then each with its lines. */
export function printCheck(source: Source, { findings, error }: CheckResult): string {
  const count = findings.length;
  if (count === 0) return error === undefined ? 'Check complete, no warnings found.\n' : '';
  const summary = count === 1 ? '1 warning has been found!' : `${count} warnings have been found!`;
  const printed = findings.map(
    ({ rule, detail, range }) => `\nWARNING: ${rule} - ${rulePage(rule)}\n${detail}\n${excerpt(source, range)}`,
  );
  return `Check complete, ${summary}\n${printed.join('')}${error === undefined ? '' : '\n'}`;
}

/** A fault with its place and its lines, and what would be right there. */
export function printFault(source: Source, { message, range, expected }: DockerfileError): string {
  const { line, column } = range.start;
  const hint = expected === undefined ? '' : `\n${source.name}:${line}:${column}: expected ${expected}`;
  return `${message}${hint}\n${excerpt(source, range)}`;
}

/** The same as the JSON that Docker's clients read. */
export function checkJson(source: Source, { findings, error }: CheckResult): string {
  const location = (range: Range) => ({ ranges: [plainRange(range)] });
  const warnings = findings.map(({ rule, detail, range }) => ({
    ruleName: rule,
    description: rules[rule],
    url: rulePage(rule),
    detail,
    location: location(range),
  }));
  const fault = error === undefined ? {} : { buildError: { message: error.message, location: location(error.range) } };
  const sources = [
    { filename: source.name, language: 'Dockerfile', data: Buffer.from(source.text).toString('base64') },
  ];
  return `${JSON.stringify({ warnings, sources, ...fault }, undefined, 2)}\n`;
}

const plainRange = ({ start, end }: Range) => ({
  start: { line: start.line },
  end: { line: Math.max(end.line, start.line) },
});
