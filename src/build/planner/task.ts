import { checkDockerfile, findingsOfBuild } from '../check/check.ts';
import type { RuleName } from '../check/rules.ts';
import { DockerfileError } from '../dockerfile/error.ts';
import { parseDockerfile } from '../dockerfile/parse.ts';
import type { Range, Source } from '../dockerfile/source.ts';
import type { Budget } from '../expand/budget.ts';
import { PathMatcher } from '../ignore/matcher.ts';
import type { Finding } from '../plan/finding.ts';
import type { BaseImage, BuildOptions, LookUp, WantedImage } from '../plan/options.ts';
import { type BuildPlan, planBuild } from '../plan/plan.ts';
import { formatPlatform } from '../../spec/oci/platform.ts';

/** All that a plan or a check is made of, as values: they travel to a thread and back. */
export interface PlanTask {
  readonly purpose: 'build' | 'check';
  readonly source: Source;
  readonly options: BuildOptions;
  /** What is known of images, by `imageKey`; `unknown` are those that the caller does not look up. */
  readonly images: ReadonlyMap<string, BaseImage | 'unknown'>;
  /** Patterns of the .dockerignore, where they are known. */
  readonly ignore?: readonly string[];
}

/** A DockerfileError, as values. */
export interface Fault {
  readonly problem: string;
  readonly message: string;
  readonly range: Range;
  readonly expected: string | undefined;
}

export type PlanReply =
  | { readonly kind: 'wants'; readonly images: readonly WantedImage[] }
  | { readonly kind: 'plan'; readonly plan: BuildPlan; readonly findings: Findings; readonly fault: Fault | undefined }
  | { readonly kind: 'checked'; readonly findings: Findings; readonly fault: Fault | undefined }
  /** There is no plan. */
  | { readonly kind: 'fault'; readonly fault: Fault };
type Findings = readonly Finding<RuleName>[];

export const imageKey = (reference: string, platform: string): string => `${reference} ${platform}`;

const keyOf = ({ reference, platform }: WantedImage): string => imageKey(reference, formatPlatform(platform));

/** Plans or checks a Dockerfile within a budget; what is wrong in the file is an answer, too. */
export function runPlanTask(task: PlanTask, budget?: Budget): PlanReply {
  try {
    return task.purpose === 'check' ? check(task, budget) : plan(task, budget);
  } catch (error) {
    if (!(error instanceof DockerfileError)) throw error;
    return { kind: 'fault', fault: faultOf(error) };
  }
}

/** A check asks for all images that it has been told nothing of, and is made once it knows what there is to know. */
function check({ source, options, images, ignore = [] }: PlanTask, budget: Budget | undefined): PlanReply {
  const ignored = new PathMatcher([...ignore]);
  const wanted = new Map<string, WantedImage>();
  const lookUp: LookUp = (image) => {
    const key = keyOf(image);
    const known = images.get(key);
    if (known === undefined) wanted.set(key, image);
    return known ?? 'unknown';
  };
  const more = budget === undefined ? {} : { budget };
  const { findings, error } = checkDockerfile({ source, options, lookUp, ignored, ...more });
  if (wanted.size > 0) return { kind: 'wants', images: [...wanted.values()] };
  return { kind: 'checked', findings, fault: error === undefined ? undefined : faultOf(error) };
}

function plan({ source, options, images, ignore = [] }: PlanTask, budget: Budget | undefined): PlanReply {
  const file = parseDockerfile(source);
  const found: Finding[] = [];
  const result = planBuild({
    file,
    options,
    lookUp: (image) => images.get(keyOf(image)),
    ignored: new PathMatcher([...ignore]),
    report: (finding) => void found.push(finding),
    ...(budget === undefined ? {} : { budget }),
  });
  if (result.kind === 'wants') return result;
  const { findings, error } = findingsOfBuild(file, options, found);
  return { kind: 'plan', plan: result, findings, fault: error === undefined ? undefined : faultOf(error) };
}

const faultOf = ({ problem, message, range, expected }: DockerfileError): Fault => ({
  problem,
  message,
  range,
  expected,
});

/** The other way round. */
export const errorOf = ({ problem, message, range, expected }: Fault): DockerfileError =>
  new DockerfileError(problem, range, { message, expected });
