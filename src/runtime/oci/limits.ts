import { invalid } from '../../base/errors.ts';
import type { HostConfig, Ulimit } from '../../spec/engine/container.ts';
import { ulimitTypes } from '../../spec/engine/ulimits.ts';
import type { OciRlimit } from '../../spec/oci/runtime.ts';
import type { HostFacts } from './host.ts';

/**
 * The process limits of a container. An engine without CAP_SYS_RESOURCE cannot raise a hard limit: such a limit is cut
 * to the engine's own, with a warning. @throws invalid for an unknown name or a soft limit above the hard one.
 */
export function processLimits(ulimits: readonly Ulimit[] | null, host: HostFacts, warnings: string[]): OciRlimit[] {
  const limits = new Map<string, OciRlimit>();
  for (const ulimit of ulimits ?? []) {
    const type = ulimitTypes.get(ulimit.Name);
    if (type === undefined) throw invalid(`invalid ulimit type: ${ulimit.Name.slice(0, 100)}`);
    const soft = unlimitedIfNegative(ulimit.Soft);
    const hard = unlimitedIfNegative(ulimit.Hard);
    if (soft > hard) {
      throw invalid(`ulimit soft limit must be less than or equal to hard limit: ${ulimit.Soft} > ${ulimit.Hard}`);
    }
    const own = host.limits.get(type)?.hard ?? Infinity;
    const most = host.canRaiseLimits ? hard : Math.min(hard, own);
    if (most < hard) {
      warnings.push(
        `The ulimit ${ulimit.Name} was lowered to ${most}: the engine's own hard limit, which it may not raise.`,
      );
    }
    limits.set(type, { type, soft: Math.min(soft, most), hard: most });
  }
  return [...limits.values()];
}

const unlimitedIfNegative = (value: number): number => (value < 0 ? Infinity : value);

/**
 * The oom score adjustment. Without CAP_SYS_RESOURCE it cannot go below the engine's own; it is cut then, with a
 * warning.
 */
export function oomScore(config: HostConfig, host: HostFacts, warnings: string[]): number {
  const wanted = config.OomScoreAdj;
  if (host.canRaiseLimits || wanted >= host.oomScoreAdj) return wanted;
  warnings.push(
    `The oom score adjustment ${wanted} was raised to ${host.oomScoreAdj}: the engine lacks CAP_SYS_RESOURCE.`,
  );
  return host.oomScoreAdj;
}
