/** The checks of Dockerfiles, by Docker's names; what each one is for is in docs/build-checks. */
export const rules = {
  ConsistentInstructionCasing: 'Keywords are all written in capitals, or all in small letters',
  CopyIgnoredFile: 'What COPY and ADD name is not left out by the .dockerignore',
  DuplicateStageName: 'No two stages have one name',
  ExposeInvalidFormat: 'EXPOSE names ports of the container only',
  ExposeProtoCasing: 'EXPOSE names protocols in small letters',
  FromAsCasing: 'FROM and AS are written alike',
  FromPlatformFlagConstDisallowed: 'FROM --platform is a variable, not one platform',
  InvalidBaseImagePlatform: 'The base image is for the platform of the build',
  InvalidDefaultArgInFrom: 'FROM has a valid name without any build argument',
  InvalidDefinitionDescription: 'A comment right above FROM or ARG begins with the name that it describes',
  JSONArgsRecommended: 'CMD and ENTRYPOINT are JSON arrays, so that signals reach the program',
  LegacyKeyValueFormat: 'ENV and LABEL have a = between name and value',
  MaintainerDeprecated: 'The author is a label, not a MAINTAINER',
  MultipleInstructionsDisallowed: 'A stage has one CMD, ENTRYPOINT and HEALTHCHECK at most',
  NoEmptyContinuation: 'No empty line stands inside an instruction',
  RedundantTargetPlatform: 'FROM --platform does not say what is the default',
  ReservedStageName: 'No stage is called scratch or context',
  SecretsUsedInArgOrEnv: 'Secrets are mounted, not given in ARG or ENV',
  StageNameCasing: 'Stages have names in small letters',
  UndefinedArgInFrom: 'FROM uses ARG that stands above it',
  UndefinedVar: 'Variables are set before they are used',
  WorkdirRelativePath: 'The first WORKDIR of a stage is absolute',
} as const satisfies Readonly<Record<string, string>>;

export type RuleName = keyof typeof rules;

/** Rules that only count when they are asked for. */
export const experimentalRules: ReadonlySet<string> = new Set<RuleName>(['InvalidDefinitionDescription']);

/** The page about a rule, in this repository. */
export const rulePage = (rule: RuleName): string =>
  `docs/build-checks/${rule.replace(/(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/g, '-').toLowerCase()}.md`;
