import { invalid, messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { ImageService } from '../image/service.ts';
import { defaultBudgetGraceNs, parseBudgetLimit, type StorageBudget } from '../spec/engine/storage-budget.ts';
import type { LiveConfig } from './live.ts';

const everyMs = 60_000;

/** The budget that a request names: `engine`, or another limit with the engine's grace time and labels. @throws invalid */
export function budgetOf(own: StorageBudget | undefined, limit: string): StorageBudget {
  if (limit !== 'engine') return { graceNs: defaultBudgetGraceNs, keep: [], ...own, limit: parseBudgetLimit(limit) };
  if (own === undefined) throw invalid('this engine has no storage budget (--storage-budget)');
  return own;
}

/**
 * Keeps the storage budget, when there is one: once the engine serves, at each reload, and every minute. Gives what
 * begins it, and what ends it.
 */
export function budgetKeeper(live: LiveConfig, images: Pick<ImageService, 'keepBudget'>, log: Logger) {
  let running: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  const keep = (): void => {
    if (live.current.budget === undefined || timer === undefined) return;
    running ??= images
      .keepBudget(live.current.budget)
      .then(() => undefined)
      .catch((error: unknown) => log.warn('the storage budget could not be kept', { error: messageOf(error) }))
      .finally(() => {
        running = undefined;
      });
  };
  return {
    begin(): void {
      timer = setInterval(keep, everyMs);
      timer.unref();
      live.onChange(keep);
      keep();
    },
    async close(): Promise<void> {
      clearInterval(timer);
      timer = undefined;
      await running;
    },
  };
}
