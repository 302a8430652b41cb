import { resolve } from 'node:path';
import { invalid } from '../../base/errors.ts';
import type { SettingValues } from './setting.ts';

/** Values by flag name, with the type that the table gives them; undefined when nobody said it. */
export const textOf = (values: SettingValues, name: string): string | undefined => {
  const value = values.get(name);
  return typeof value === 'string' && value !== '' ? value : undefined;
};
export const switchOf = (values: SettingValues, name: string): boolean | undefined =>
  values.get(name) as boolean | undefined;
export const listOf = (values: SettingValues, name: string): readonly string[] =>
  (values.get(name) as readonly string[] | undefined) ?? [];
export const mapOf = <T>(values: SettingValues, name: string): Readonly<Record<string, T>> =>
  (values.get(name) as Readonly<Record<string, T>> | undefined) ?? {};

/** A whole number from `least` on. @throws invalid */
export function numberOf(values: SettingValues, name: string, least: number): number | undefined {
  const value = values.get(name) as number | undefined;
  if (value !== undefined && value < least) throw invalid(`invalid --${name}: ${value}: expected at least ${least}`);
  return value;
}

/** One of some words. @throws invalid */
export function choiceOf<T extends string>(values: SettingValues, name: string, known: readonly T[]): T | undefined {
  const value = textOf(values, name);
  const found = known.find((word) => word === value);
  if (value !== undefined && found === undefined) {
    throw invalid(`invalid --${name}: ${JSON.stringify(value.slice(0, 100))}: expected one of ${known.join(', ')}`);
  }
  return found;
}

/** The absolute path that a text means. @throws invalid */
export function pathOf(path: string, name: string): string {
  if (path === '' || path.includes('\0')) throw invalid(`invalid --${name}: expected a path`);
  return resolve(path);
}
