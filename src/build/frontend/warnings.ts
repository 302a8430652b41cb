import type { CheckResult } from '../check/check.ts';
import { rulePage, rules } from '../check/rules.ts';
import { type BuildJob, stepDigest } from '../control/job.ts';
import { type Definition, definitionStep } from './definition.ts';

/**
 * Tells the client what a check has found, where the file was loaded: it prints that when the build is over.
 * @throws DockerfileError where the file says that findings are errors
 */
export function tellFindings(job: BuildJob, definition: Definition, { findings, error }: CheckResult): void {
  const { name, bytes } = definition;
  const vertex = stepDigest(job.ref, definitionStep(name));
  const info = { filename: name, data: bytes, language: 'Dockerfile' };
  const warnings = findings.map(({ rule, detail, range: { start, end } }) => ({
    vertex,
    level: 1,
    short: Buffer.from(`${rule}: ${detail} (line ${start.line})`),
    detail: [Buffer.from(rules[rule])],
    url: rulePage(rule),
    info,
    ranges: [{ start: { line: start.line }, end: { line: Math.max(start.line, end.line) } }],
  }));
  if (warnings.length > 0) job.emit({ warnings });
  if (error !== undefined) throw error;
}
