import { Budget } from '../expand/budget.ts';
import { type PlanReply, type PlanTask, runPlanTask } from './task.ts';

/** Runs a task in a thread. */
export type PlanThread = (task: PlanTask) => Promise<PlanReply>;

/** Reading a longer Dockerfile takes more than some milliseconds. */
const longestHere = 64 << 10;
/** So much work with variables takes a hundredth of a second. */
const stepsHere = 200_000;

/**
 * Plans Dockerfiles without holding the engine up: those that are short, and make little work, at once; the others, which
 * may take a second, in a thread. Both give the same.
 */
export async function planTask(thread: PlanThread, task: PlanTask): Promise<PlanReply> {
  if (task.source.text.length > longestHere) return thread(task);
  const budget = new Budget(stepsHere);
  const reply = runPlanTask(task, budget);
  return budget.isSpent ? thread(task) : reply;
}
