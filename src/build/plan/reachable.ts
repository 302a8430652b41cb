import { goQuote } from '../../base/text/quote.ts';
import { DockerfileError } from '../dockerfile/error.ts';
import type { Range } from '../dockerfile/source.ts';
import type { SourcesOf } from './sources.ts';
import type { ResolvedStage } from './stages.ts';

/** A stage that another one needs, and the instruction that says so. */
interface Need {
  readonly index: number;
  readonly range: Range;
}

function needsOf({ stage, base }: ResolvedStage, sources: SourcesOf): Need[] {
  const needs: Need[] = base.kind === 'stage' ? [{ index: base.index, range: stage.from.range }] : [];
  for (const [instruction, found] of sources) {
    for (const source of found) {
      if (source?.kind === 'stage') needs.push({ index: source.index, range: instruction.range });
    }
  }
  return needs;
}

/**
 * The stages that a target needs, itself among them.
 * @throws DockerfileError for stages that need each other, or one that stands below its use
 */
export function reachableStages(
  stages: readonly ResolvedStage[],
  sources: readonly SourcesOf[],
  target: number,
): ReadonlySet<number> {
  const needs = stages.map((stage, index) => needsOf(stage, sources[index] ?? new Map()));
  checkCircles(stages, needs);
  const reached = new Set([target]);
  for (const index of reached) for (const need of needs[index] ?? []) reached.add(need.index);
  for (const index of reached) checkOrder(stages, needs[index] ?? [], index);
  return reached;
}

/** A stage below can be named, but is not there yet: instructions are read from top to bottom. */
function checkOrder(stages: readonly ResolvedStage[], needs: readonly Need[], index: number): void {
  const later = needs.find((need) => need.index >= index);
  if (later === undefined) return;
  const [from, current] = [stages[later.index]?.label ?? '', stages[index]?.label ?? ''];
  const problem = `cannot copy from stage ${goQuote(from)}, it needs to be defined before current stage ${goQuote(current)}`;
  throw new DockerfileError(problem, later.range);
}

/** Walks every stage once, without recursion: a file may have thousands. */
function checkCircles(stages: readonly ResolvedStage[], needs: readonly (readonly Need[])[]): void {
  const done = new Set<number>();
  for (const start of stages.keys()) {
    const path: { index: number; next: number }[] = [{ index: start, next: 0 }];
    const onPath = new Set([start]);
    while (path.length > 0) {
      const at = path.at(-1) as { index: number; next: number };
      const need = done.has(at.index) ? undefined : needs[at.index]?.[at.next++];
      if (need === undefined) {
        done.add(at.index);
        onPath.delete(at.index);
        path.pop();
      } else if (onPath.has(need.index)) {
        const names = [...path.map(({ index }) => index), need.index].map((index) => stages[index]?.label);
        const problem = `circular dependency detected on stage: ${stages[at.index]?.label}`;
        const circle = names.slice(names.indexOf(stages[need.index]?.label)).join(' needs ');
        throw new DockerfileError(problem, need.range, { expected: `stages that do not need each other: ${circle}` });
      } else if (!done.has(need.index)) {
        path.push({ index: need.index, next: 0 });
        onPath.add(need.index);
      }
    }
  }
}
