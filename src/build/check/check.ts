import { invalid, messageOf } from '../../base/errors.ts';
import { DockerfileError } from '../dockerfile/error.ts';
import { type Dockerfile, parseDockerfile } from '../dockerfile/parse.ts';
import { linesRange, type Source } from '../dockerfile/source.ts';
import type { Budget } from '../expand/budget.ts';
import type { PathMatcher } from '../ignore/matcher.ts';
import type { Finding } from '../plan/finding.ts';
import type { BuildOptions, LookUp } from '../plan/options.ts';
import { planBuild } from '../plan/plan.ts';
import { checkFile } from './file-rules.ts';
import { type CheckOptions, isActive, parseCheckOptions } from './options.ts';
import type { RuleName } from './rules.ts';

export interface CheckRequest {
  readonly source: Source;
  readonly options: BuildOptions;
  /** What is known of base images; `unknown` for those that are not looked up. */
  readonly lookUp: LookUp;
  readonly ignored?: PathMatcher;
  readonly budget?: Budget;
}

export interface CheckResult {
  /** In the order of their lines. */
  readonly findings: readonly Finding<RuleName>[];
  /** Why there is no build of this file. */
  readonly error: DockerfileError | undefined;
}

/**
 * Checks a Dockerfile: all stages, unless a target is chosen. What is found before a fault of the file is told with it.
 */
export function checkDockerfile({ source, options, lookUp, ...rest }: CheckRequest): CheckResult {
  const findings: Finding<RuleName>[] = [];
  let settings: CheckOptions | undefined;
  let error: DockerfileError | undefined;
  try {
    const file = parseDockerfile(source);
    settings = settingsOf(file, options);
    findings.push(...checkFile(file));
    const report = (finding: Finding<RuleName>) => void findings.push(finding);
    const allStages = options.target === undefined;
    const plan = planBuild({ file, options, lookUp, report, allStages, ...rest });
    if (plan.kind === 'wants') throw invalid(`${plan.images[0]?.reference} was not looked up`);
  } catch (caught) {
    if (!(caught instanceof DockerfileError)) throw caught;
    error = caught;
  }
  const active = sortedActive(findings, settings);
  return { findings: active, error: error ?? violation(active, settings) };
}

/** What is found in a file that is being built: `planned` is what its plan has reported. @throws DockerfileError */
export function findingsOfBuild(
  file: Dockerfile,
  options: BuildOptions,
  planned: readonly Finding<RuleName>[],
): CheckResult {
  const settings = settingsOf(file, options);
  const findings = sortedActive([...checkFile(file), ...planned], settings);
  return { findings, error: violation(findings, settings) };
}

function sortedActive(
  findings: readonly Finding<RuleName>[],
  settings: CheckOptions | undefined,
): readonly Finding<RuleName>[] {
  const active = findings.filter(({ rule, comments }) => settings === undefined || isActive(rule, settings, comments));
  // The sort is stable: findings of one line stay in the order in which they were found.
  return active.sort((a, b) => a.range.start.line - b.range.start.line);
}

/** The build argument counts in place of the line in the file. */
function settingsOf({ directives }: Dockerfile, { args }: BuildOptions): CheckOptions {
  const given = args.get('BUILDKIT_DOCKERFILE_CHECK');
  const directive = directives.find(({ name }) => name === 'check');
  try {
    return parseCheckOptions(given ?? directive?.value ?? '');
  } catch (error) {
    const expected = 'skip=RULE,...;error=true;experimental=RULE,...';
    throw new DockerfileError(
      `failed to parse check options: ${messageOf(error)}`,
      directive?.range ?? linesRange(1, 1),
      {
        expected,
      },
    );
  }
}

function violation(findings: readonly Finding<RuleName>[], settings: CheckOptions | undefined) {
  const [first] = findings;
  if (first === undefined || settings?.isError !== true) return undefined;
  const names = [...new Set(findings.map(({ rule }) => rule))].sort();
  return new DockerfileError(`lint violation found for rules: ${names.join(', ')}`, first.range);
}
