import { invalid } from '../../base/errors.ts';

const nameOf = (variable: string): string => variable.slice(0, Math.max(0, variable.indexOf('=')));

/**
 * Environment variables with `add` (`NAME=VALUE`) in the place of those of the same name, and without `remove` (names;
 * one that is not there is no error). @throws invalid for what is no variable, or both added and removed.
 */
export function mergeEnvironment(
  current: readonly string[],
  add: readonly string[],
  remove: readonly string[],
): string[] {
  const added = new Map<string, string>();
  for (const variable of add) {
    const name = nameOf(variable);
    if (name === '' || variable.includes('\0')) {
      throw invalid(`invalid environment variable: ${variable.slice(0, 100)}: expected NAME=VALUE`);
    }
    added.set(name, variable);
  }
  for (const name of remove) {
    if (name === '' || name.includes('='))
      throw invalid(`invalid name of an environment variable: ${name.slice(0, 100)}`);
    if (added.has(name)) throw invalid(`environment variable ${name.slice(0, 100)} cannot be both added and removed`);
  }
  const merged = current
    .filter((variable) => !remove.includes(variable.includes('=') ? nameOf(variable) : variable))
    .map((variable) => take(added, nameOf(variable)) ?? variable);
  return [...merged, ...added.values()];
}

function take(map: Map<string, string>, key: string): string | undefined {
  const value = map.get(key);
  map.delete(key);
  return value;
}

/** Labels with `add` and without `remove`. @throws invalid for an empty name, or one both added and removed. */
export function mergeLabels(
  current: Readonly<Record<string, string>>,
  add: Readonly<Record<string, string>>,
  remove: readonly string[],
): Record<string, string> {
  const labels: Record<string, string> = Object.assign(Object.create(null), current);
  for (const name of remove) {
    if (Object.hasOwn(add, name)) throw invalid(`label ${name.slice(0, 100)} cannot be both added and removed`);
    delete labels[name];
  }
  for (const [name, value] of Object.entries(add)) {
    if (name === '') throw invalid('a label must have a name');
    labels[name] = value;
  }
  return labels;
}
