import { invalid } from '../../base/errors.ts';
import { mapOf } from './read.ts';
import type { SettingValues } from './setting.ts';

/** What builds may be allowed, where their clients ask for it. */
export interface BuilderSettings {
  /** Commands without the sandbox; not unless the operator says so, as in Docker. */
  readonly insecure: boolean;
  readonly devices: boolean;
}

/** What the log says: of the key `builder` only `entitlements` means something here. */
export const builderNote = (value: unknown): string | undefined =>
  Object.keys(value as object).some((name) => name !== 'entitlements')
    ? 'the cache of builds is not limited yet'
    : undefined;

/** Reads `builder: {"entitlements": {"security-insecure": true, "device": false}}`. @throws invalid */
export function builderSettings(values: SettingValues): BuilderSettings {
  const entitlements = mapOf<unknown>(values, 'builder')['entitlements'] ?? {};
  if (typeof entitlements !== 'object') throw invalid('invalid builder.entitlements: expected an object');
  const of = (name: string, otherwise: boolean): boolean => {
    const value = (entitlements as Readonly<Record<string, unknown>>)[name] ?? otherwise;
    if (typeof value !== 'boolean') throw invalid(`invalid builder.entitlements.${name}: expected true or false`);
    return value;
  };
  return { insecure: of('security-insecure', false), devices: of('device', true) };
}
