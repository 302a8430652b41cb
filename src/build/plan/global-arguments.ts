import { messageOf } from '../../base/errors.ts';
import { formatPlatform } from '../../spec/oci/platform.ts';
import { DockerfileError } from '../dockerfile/error.ts';
import type { Argument } from '../dockerfile/from.ts';
import type { Dockerfile } from '../dockerfile/parse.ts';
import type { Budget } from '../expand/budget.ts';
import { expand } from '../expand/expand.ts';
import { variablesOf } from '../expand/variables.ts';
import type { BuildOptions } from './options.ts';

/** Variables that FROM sees, and ARG without a value inherits. */
export interface GlobalArguments {
  readonly values: ReadonlyMap<string, string>;
  /** Names of all ARG before the first FROM, also of those without a value, and the names that their defaults use. */
  readonly declared: ReadonlyMap<string, { readonly planned: PlannedArgument; readonly uses: ReadonlySet<string> }>;
}

/** An ARG that a build can be given, with the value that it has. */
export type PlannedArgument = Pick<Argument, 'name' | 'description' | 'range'> & { readonly value: string | undefined };

/**
 * The values of ARG before the first FROM, and of the platforms.
 * @param defaultsOnly as if no build argument had been given
 * @throws DockerfileError for a default that cannot be expanded
 */
export function globalArguments(
  { globals, escape }: Dockerfile,
  options: BuildOptions,
  targetName: string,
  budget: Budget,
  defaultsOnly = false,
): GlobalArguments {
  const given = (name: string) => (defaultsOnly ? undefined : options.args.get(name));
  const values = platformArguments(options, targetName);
  const declared: Map<string, { planned: PlannedArgument; uses: ReadonlySet<string> }> = new Map();
  for (const { name, value, range, description } of globals.flatMap(({ args }) => args)) {
    let set = given(name);
    let uses: ReadonlySet<string> = new Set();
    try {
      if (set === undefined && value !== undefined) {
        ({ text: set, used: uses } = expand(value, variablesOf(values), { escape, budget }));
      }
    } catch (error) {
      throw new DockerfileError(messageOf(error), range);
    }
    if (set !== undefined) values.set(name, set);
    declared.set(name, { planned: { name, description, range, value: set }, uses });
  }
  return { values, declared };
}

/** What Docker predefines about platforms and the target; build arguments of these names count first. */
function platformArguments(options: BuildOptions, targetName: string): Map<string, string> {
  const { buildPlatform: build, targetPlatform: target = build, args } = options;
  const predefined: readonly [string, string][] = [
    ['BUILDPLATFORM', formatPlatform(build)],
    ['BUILDOS', build.os],
    ['BUILDOSVERSION', build['os.version'] ?? ''],
    ['BUILDARCH', build.architecture],
    ['BUILDVARIANT', build.variant ?? ''],
    ['TARGETPLATFORM', formatPlatform(target)],
    ['TARGETOS', target.os],
    ['TARGETOSVERSION', target['os.version'] ?? ''],
    ['TARGETARCH', target.architecture],
    ['TARGETVARIANT', target.variant ?? ''],
    ['TARGETSTAGE', targetName === '' ? 'default' : targetName],
  ];
  return new Map(predefined.map(([name, value]) => [name, args.get(name) ?? value]));
}

/** The ARG before the first FROM that these names stand for, and those that their defaults use. */
export function argumentsUsed({ declared }: GlobalArguments, names: Iterable<string>): PlannedArgument[] {
  const reached = new Set(names);
  for (const name of reached) for (const used of declared.get(name)?.uses ?? []) reached.add(used);
  return [...reached].flatMap((name) => declared.get(name)?.planned ?? []);
}
