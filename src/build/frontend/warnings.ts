import type { CheckResult } from '../check/check.ts';
import { rulePage, rules } from '../check/rules.ts';
import { type BuildJob, stepDigest } from '../control/job.ts';
import { type Definition, definitionStep, placeOf } from './definition.ts';

/**
 * Tells the client what a check has found, where the file was loaded: it prints that when the build is over.
 * @throws DockerfileError where the file says that findings are errors
 */
export function tellFindings(job: BuildJob, definition: Definition, { findings, error }: CheckResult): void {
  const { name } = definition;
  const vertex = stepDigest(job.ref, definitionStep(name));
  const warnings = findings.map(({ rule, detail, range }) => {
    const { filename, data, ranges } = placeOf(definition, range);
    const [{ start, end } = { start: 1, end: 1 }] = ranges;
    const where = filename === name ? `line ${start}` : `line ${start} of ${filename}`;
    return {
      vertex,
      level: 1,
      short: Buffer.from(`${rule}: ${detail} (${where})`),
      detail: [Buffer.from(rules[rule])],
      url: rulePage(rule),
      info: { filename, data, language: 'Dockerfile' },
      ranges: [{ start: { line: start }, end: { line: end } }],
    };
  });
  if (warnings.length > 0) job.emit({ warnings });
  if (error !== undefined) throw error;
}
