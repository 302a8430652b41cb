import { invalid } from '../../base/errors.ts';
import { parseDuration } from '../../base/text/duration.ts';
import { defaultBudgetGraceNs, parseBudgetLimit, type StorageBudget } from '../../spec/engine/storage-budget.ts';
import { listOf, textOf } from './read.ts';
import type { SettingValues } from './setting.ts';

/** What images may take; undefined without `--storage-budget`: nothing is deleted then. @throws invalid */
export function storageBudget(values: SettingValues): StorageBudget | undefined {
  const limit = textOf(values, 'storage-budget');
  const grace = textOf(values, 'storage-budget-grace');
  const keep = listOf(values, 'storage-budget-keep');
  const graceNs = grace === undefined ? defaultBudgetGraceNs : parseDuration(grace);
  if (graceNs < 0n) throw invalid('invalid --storage-budget-grace: it must not be negative');
  if (keep.some((label) => label === '' || label.startsWith('='))) {
    throw invalid('invalid --storage-budget-keep: expected LABEL or LABEL=VALUE');
  }
  if (limit !== undefined) return { limit: parseBudgetLimit(limit), graceNs, keep };
  if (grace === undefined && keep.length === 0) return undefined;
  throw invalid('--storage-budget-grace and --storage-budget-keep need --storage-budget');
}
