import type { Range } from '../dockerfile/source.ts';

/** The checks that look at what an instruction does; the others look at the file only. */
export type PlanRule =
  | 'CopyIgnoredFile'
  | 'ExposeInvalidFormat'
  | 'ExposeProtoCasing'
  | 'FromPlatformFlagConstDisallowed'
  | 'InvalidBaseImagePlatform'
  | 'InvalidDefaultArgInFrom'
  | 'JSONArgsRecommended'
  | 'LegacyKeyValueFormat'
  | 'MultipleInstructionsDisallowed'
  | 'RedundantTargetPlatform'
  | 'SecretsUsedInArgOrEnv'
  | 'UndefinedArgInFrom'
  | 'UndefinedVar'
  | 'WorkdirRelativePath';

/** Something in a Dockerfile that works, and may not be meant. */
export interface Finding<Rule extends string = PlanRule> {
  readonly rule: Rule;
  readonly detail: string;
  readonly range: Range;
  /** Of the instruction: they may silence a rule. */
  readonly comments: readonly string[];
}

/** Takes what planning finds. */
export type Report = (finding: Finding) => void;
