import { parentPort } from 'node:worker_threads';
import { EngineError } from '../base/errors.ts';
import { type PlanTask, runPlanTask } from '../build/planner/task.ts';
import { JobPort, type JobTicket } from '../sys/worker/job-port.ts';

const engine = parentPort;
if (engine === null) throw new EngineError('internal', 'plan.worker runs as a worker only');
engine.on('message', (ticket: JobTicket) => {
  new JobPort(ticket).finish(() => runPlanTask(ticket.task as PlanTask));
});
