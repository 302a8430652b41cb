import type { ProgressDisplay, StatusEvent } from './events.ts';
import { failedOutput, shownProgress, type Step, Trace } from './trace.ts';

/** A step that prints keeps the screen for so long before another one may have it. */
const antiFlickerMs = 5000;
/** Nobody waits longer than this. */
const longestWaitMs = 10_000;
const lineEveryMs = 5000;
const lineEveryPart = 0.05;
/** Lines of a failed step that are shown once more. */
const lastLines = 10;

/** What is to be printed of a step. */
interface Printed {
  readonly step: Step;
  readonly index: number;
  linesTold: number;
  /** Characters of the open last line that are printed. */
  openTold: number;
  warningsTold: number;
  readonly changedLines: Set<string>;
  /** Since when it has something to say, and how much. */
  waitingSince: number;
  count: number;
}

/**
 * Progress as lines, in the format of `docker buildx build --progress=plain`, which programs read: steps have numbers in the
 * order in which they are first printed, and one at a time has the screen.
 */
export class PlainDisplay implements ProgressDisplay {
  readonly #write: (text: string) => void;
  readonly #trace = new Trace();
  readonly #printed = new Map<Step, Printed>();
  readonly #updates = new Set<Step>();
  readonly #lastTold = new Map<string, { readonly current: number; readonly time: number }>();
  #head: string;
  #current: Printed | undefined;
  #serial = 0;
  #lastPrint = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(write: (text: string) => void, description: string) {
    this.#write = write;
    this.#head = `#0 ${description}\n\n`;
  }

  take(event: StatusEvent): void {
    for (const { step, line } of this.#trace.update(event)) {
      if (step.isHidden) continue;
      this.#updates.add(step);
      const waiting = this.#waiting(step);
      if (waiting.count++ === 0) waiting.waitingSince = Date.now();
      if (line !== undefined) waiting.changedLines.add(line);
    }
    if (Date.now() - this.#lastPrint >= 100) this.#refresh();
    else this.#timer ??= setTimeout(() => this.#refresh(), 150);
  }

  finish(): void {
    this.#refresh();
    clearTimeout(this.#timer);
    this.#write(failedOutput(this.#trace, lastLines));
  }

  #waiting(step: Step): Printed & { index: number } {
    const known = this.#printed.get(step);
    if (known !== undefined) return known;
    const fresh = {
      step,
      index: 0,
      linesTold: 0,
      openTold: 0,
      warningsTold: 0,
      changedLines: new Set<string>(),
      waitingSince: Date.now(),
      count: 0,
    };
    this.#printed.set(step, fresh);
    return fresh;
  }

  #refresh(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#lastPrint = Date.now();
    const changed = [...this.#updates];
    const completed = changed.filter(({ isCompleted }) => isCompleted);
    const current = this.#current?.step;
    const wasCurrentCompleted = current !== undefined && completed.includes(current);
    // Who has the screen ends first.
    if (wasCurrentCompleted) this.#print(current);
    for (const step of completed.sort((a, b) => lastStop(a) - lastStop(b))) if (step !== current) this.#print(step);
    const open = changed.filter(({ isCompleted }) => !isCompleted);
    if (open.length === 0) {
      if (current !== undefined && !wasCurrentCompleted) return;
      const next = this.#trace.steps.find((step) => step.isStarted && !step.isCompleted && !step.isHidden);
      if (next !== undefined) this.#print(next);
      return;
    }
    if (current !== undefined && open.includes(current)) this.#print(current);
    const next = this.#chosen(open, wasCurrentCompleted ? undefined : current);
    if (next !== undefined) this.#print(next);
    // What changes now and then is looked at again.
    if (this.#updates.size > 0) this.#timer = setTimeout(() => this.#refresh(), 150);
  }

  /** Which of the running steps has the screen next; undefined to leave it to the one that has. */
  #chosen(open: readonly Step[], current: Step | undefined): Step | undefined {
    const now = Date.now();
    const among = current === undefined || open.includes(current) ? open : [...open, current];
    const stats = among.map((step) => {
      const { waitingSince, count } = this.#waiting(step);
      const waited = Math.max(1, now - waitingSince);
      return { step, waited, speed: count / waited, isOverdue: waited > longestWaitMs && step !== current };
    });
    const fastest = stats.reduce((best, one) => (one.isOverdue || one.speed > best.speed ? one : best));
    if (current === undefined) return fastest.step;
    const overdue = stats.find(({ isOverdue }) => isOverdue);
    if (overdue !== undefined) return overdue.step;
    const own = stats.find(({ step }) => step === current);
    const sum = stats.reduce((total, { speed }) => total + speed, 0);
    const share = own === undefined || sum === 0 ? 0 : own.speed / sum;
    return own !== undefined && (1 / (1 - share)) * antiFlickerMs < own.waited ? fastest.step : undefined;
  }

  #print(step: Step): void {
    const printed = this.#waiting(step);
    if (printed.index === 0) printed.index = ++this.#serial;
    const number = `#${printed.index}`;
    if (this.#current !== printed) {
      if (this.#current !== undefined) this.#write(leave(this.#current));
      this.#write(this.#head === '' ? '\n' : this.#head);
      this.#head = '';
      this.#write(`${number} ${step.name}\n`);
    }
    const hasOpenLine = this.#printLines(printed, number);
    for (; printed.warningsTold < step.warnings.length; printed.warningsTold++) {
      const short = step.warnings[printed.warningsTold]?.short ?? new Uint8Array(0);
      this.#write(`${number} WARN: ${Buffer.from(short).toString()}\n`);
    }
    this.#write(outputOf(printed, number));
    this.#current = printed;
    if (step.isCompleted && !hasOpenLine) {
      this.#current = undefined;
      printed.count = 0;
      const newline = step.isOutputOpen && printed.openTold > 0 ? '\n' : '';
      printed.openTold = 0;
      this.#write(`${newline}${number} ${outcome(step)}\n`);
    }
    this.#updates.delete(step);
  }

  /** Gives whether a line is under way still. */
  #printLines({ step, changedLines }: Printed, number: string): boolean {
    let isOpen = false;
    for (const line of step.lines.values()) {
      if (!changedLines.has(line.id) || line.started === undefined) continue;
      const last = this.#lastTold.get(line.id);
      if (last !== undefined && line.completed === undefined) {
        const part = line.total > 0 ? (line.current - last.current) / line.total : 0;
        if (part < lineEveryPart && line.time - last.time < lineEveryMs) continue;
      }
      this.#lastTold.set(line.id, { current: line.current, time: line.time });
      const seconds = ((line.completed ?? line.time) - line.started) / 1000;
      const amount = shownProgress(line);
      const time = seconds > 0.01 ? ` ${seconds.toFixed(1)}s` : '';
      const end = line.completed === undefined ? '' : ' done';
      if (line.completed === undefined) isOpen = true;
      this.#write(`${number} ${line.id}${amount === '' ? '' : ` ${amount}`}${time}${end}\n`);
    }
    changedLines.clear();
    return isOpen;
  }
}

const lastStop = ({ spans }: Step): number => spans.at(-1)?.stop ?? 0;

/** Another step gets the screen. */
function leave(printed: Printed): string {
  const newline = printed.step.isOutputOpen && printed.openTold > 0 ? '\n' : '';
  printed.openTold = 0;
  printed.count = 0;
  return `${newline}#${printed.index} ...\n`;
}

/** What of the output is new. */
function outputOf(printed: Printed, number: string): string {
  const { output, isOutputOpen } = printed.step;
  let text = '';
  for (let at = printed.linesTold; at < output.length; at++) {
    const line = output[at] ?? '';
    const isOpen = isOutputOpen && at === output.length - 1;
    text += printed.openTold > 0 ? line.slice(printed.openTold) : `${number} ${line}`;
    printed.openTold = isOpen ? line.length : 0;
    if (!isOpen) {
      text += '\n';
      printed.linesTold = at + 1;
    }
  }
  return text;
}

function outcome(step: Step): string {
  if (step.error !== '') return step.isCancelled ? 'CANCELED' : `ERROR: ${step.error}`;
  return step.cached ? 'CACHED' : `DONE ${step.duration(Date.now()).toFixed(1)}s`;
}
