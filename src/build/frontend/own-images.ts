import type { BuildContent } from '../../spec/contract/build.ts';
import { formatPlatform } from '../../spec/oci/platform.ts';
import type { BaseImage } from '../plan/options.ts';
import { planTask } from '../planner/planner.ts';
import { imageKey, type PlanReply, type PlanTask } from '../planner/task.ts';
import type { SolvePorts } from '../solve/ports.ts';

/** Plans or checks with the base images that the engine has: nothing is pulled for it, and the others stay unknown. */
export async function planWithOwnImages(
  { planThread }: SolvePorts,
  content: BuildContent,
  task: Omit<PlanTask, 'images'>,
): Promise<Exclude<PlanReply, { kind: 'wants' }>> {
  const images = new Map<string, BaseImage | 'unknown'>();
  for (;;) {
    const reply = await planTask(planThread, { ...task, images });
    if (reply.kind !== 'wants') return reply;
    await Promise.all(
      reply.images.map(async ({ reference, platform }) => {
        const named = formatPlatform(platform);
        const base = await content.base(reference, named).catch(() => undefined);
        images.set(imageKey(reference, named), base === undefined ? 'unknown' : { reference, config: base.config });
      }),
    );
  }
}
