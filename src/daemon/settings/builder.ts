import { invalid } from '../../base/errors.ts';
import { availableParallelism } from 'node:os';
import { parseBinarySize } from '../../base/text/units.ts';
import { parseBudgetLimit, type StorageBudget } from '../../spec/engine/storage-budget.ts';
import { mapOf, numberOf, textOf } from './read.ts';
import { number, type Setting, type SettingValues, text } from './setting.ts';

/** What builds may be allowed, where their clients ask for it. */
export interface BuilderSettings {
  /** Commands without the sandbox; not unless the operator says so, as in Docker. */
  readonly insecure: boolean;
  readonly devices: boolean;
  readonly hostNetwork: boolean;
  /** What builds leave for the next ones may take; undefined: as much as it wants. */
  readonly cacheBudget: StorageBudget['limit'] | undefined;
  /** Bytes of one context; undefined: as many as fit on the disk. */
  readonly contextLimit: number | undefined;
  /** Steps of all builds that run at the same time. */
  readonly jobs: number;
}

const spaces = ['defaultMaxUsedSpace', 'defaultReservedSpace', 'defaultKeepStorage'] as const;
/** As much as BuildKit keeps in any case. */
const defaultBudget: StorageBudget['limit'] = { percent: 10 };
/** Steps wait for disks and networks, too. */
const jobsPerProcessor = 2;
const fewestJobs = 4;

/** What the log says of keys in `builder` that mean nothing here. */
export function builderNote(value: unknown): string | undefined {
  const { gc } = value as { gc?: unknown };
  const hasPolicy = typeof gc === 'object' && gc !== null && ('policy' in gc || 'defaultMinFreeSpace' in gc);
  return hasPolicy ? 'the build cache has one budget: policies of its garbage collection are passed by' : undefined;
}

/** Settings of builds that Docker has not. */
export const ownBuilderSettings: readonly Setting[] = [
  text('build-cache-budget', 'What the build cache may take: SIZE, PERCENT% or none (10% if left out)', {
    own: 'setting',
  }),
  number('build-jobs', 'Steps of builds that run at once (twice the processors, at least 4, if left out)', {
    own: 'setting',
  }),
  text('build-context-limit', 'What one build context may have: SIZE or none (none if left out)', { own: 'setting' }),
];

/** Reads `builder: {"entitlements": {"security-insecure": true, "network-host": false, "device": false}}`. @throws invalid */
export function builderSettings(values: SettingValues): BuilderSettings {
  const entitlements = mapOf<unknown>(values, 'builder')['entitlements'] ?? {};
  if (typeof entitlements !== 'object') throw invalid('invalid builder.entitlements: expected an object');
  const of = (name: string, otherwise: boolean): boolean => {
    const value = (entitlements as Readonly<Record<string, unknown>>)[name] ?? otherwise;
    if (typeof value !== 'boolean') throw invalid(`invalid builder.entitlements.${name}: expected true or false`);
    return value;
  };
  return {
    insecure: of('security-insecure', false),
    devices: of('device', true),
    hostNetwork: of('network-host', true),
    cacheBudget: budgetOf(values),
    contextLimit: contextLimitOf(textOf(values, 'build-context-limit')),
    jobs: numberOf(values, 'build-jobs', 1) ?? Math.max(fewestJobs, jobsPerProcessor * availableParallelism()),
  };
}

/** @throws invalid */
function contextLimitOf(text: string | undefined): number | undefined {
  if (text === undefined || text === 'none') return undefined;
  const bytes = parseBinarySize(text);
  if (bytes > 0) return bytes;
  throw invalid(`invalid --build-context-limit ${JSON.stringify(text)}: expected a size such as 5GB, or none`);
}

/** `gc: {"enabled": true, "defaultKeepStorage": "20GB"}` counts where the flag says nothing. */
function budgetOf(values: SettingValues): StorageBudget['limit'] | undefined {
  const own = textOf(values, 'build-cache-budget');
  if (own !== undefined) return own === 'none' ? undefined : parseBudgetLimit(own);
  const gc = mapOf<unknown>(values, 'builder')['gc'] ?? {};
  if (typeof gc !== 'object') throw invalid('invalid builder.gc: expected an object');
  const settings = gc as Readonly<Record<string, unknown>>;
  const { enabled = true } = settings;
  if (typeof enabled !== 'boolean') throw invalid('invalid builder.gc.enabled: expected true or false');
  if (!enabled) return undefined;
  for (const name of spaces) {
    const space = settings[name];
    if (space === undefined || space === '') continue;
    if (typeof space !== 'string') throw invalid(`invalid builder.gc.${name}: expected a text such as "20GB"`);
    return parseBudgetLimit(space);
  }
  return defaultBudget;
}
