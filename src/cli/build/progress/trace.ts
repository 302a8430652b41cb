import { type StatusEvent, timeOf, type Vertex, type Warning } from './events.ts';

/** A time span in milliseconds since 1970; without an end while it lasts. */
export interface Span {
  readonly start: number;
  readonly stop: number | undefined;
}

/** A line of progress below a step. */
export interface Line {
  readonly id: string;
  readonly current: number;
  readonly total: number;
  readonly time: number;
  readonly started: number | undefined;
  readonly completed: number | undefined;
}

/** A step as it is shown: what the engine told of it so far. */
export class Step {
  readonly digest: string;
  name: string;
  cached = false;
  error = '';
  /** Part of a group of which nothing worth showing has happened. */
  isHidden = false;
  readonly lines = new Map<string, Line>();
  readonly warnings: Warning[] = [];
  /** Whole lines of its output, with the seconds since its begin in front; the last may be cut off. */
  readonly output: string[] = [];
  /** The last line of the output has no end yet. */
  isOutputOpen = false;
  outputBytes = 0;
  #spans = new Map<number, Span>();
  #merged: readonly Span[] = [];

  constructor(digest: string, name: string) {
    this.digest = digest;
    this.name = name;
  }

  /** When it ran: a step may be begun several times. */
  get spans(): readonly Span[] {
    return this.#merged;
  }

  get isStarted(): boolean {
    return this.#merged.length > 0;
  }

  get isCompleted(): boolean {
    return this.#merged.at(-1)?.stop !== undefined;
  }

  get isCancelled(): boolean {
    return this.error.endsWith('context canceled');
  }

  /** Seconds that it took so far. */
  duration(now: number): number {
    return this.#merged.reduce((sum, { start, stop }) => sum + ((stop ?? now) - start), 0) / 1000;
  }

  ran(span: Span): void {
    this.#spans.set(span.start, span);
    this.#merged = merged([...this.#spans.values()]);
  }

  /** Output of its command; `time` is when it was printed. */
  print(text: string, time: number): void {
    const seconds = Math.max(0, time - (this.#merged.at(-1)?.start ?? time)) / 1000;
    const stamp = seconds.toFixed(seconds < 10 ? 3 : seconds < 100 ? 2 : 1);
    const lines = text.split('\n');
    const isClosed = lines.at(-1) === '';
    if (isClosed) lines.pop();
    for (const [at, line] of lines.entries()) {
      if (at === 0 && this.isOutputOpen && this.output.length > 0) this.output.push(`${this.output.pop()}${line}`);
      else this.output.push(`${stamp} ${line}`);
    }
    this.isOutputOpen = !isClosed;
    this.outputBytes += text.length;
  }
}

/** Spans that touch are one. */
function merged(spans: readonly Span[]): readonly Span[] {
  const result: Span[] = [];
  for (const span of [...spans].sort((a, b) => a.start - b.start)) {
    const last = result.at(-1);
    if (last === undefined || (last.stop !== undefined && last.stop < span.start)) result.push(span);
    else if (last.stop !== undefined) {
      const stop = span.stop === undefined ? undefined : Math.max(last.stop, span.stop);
      result[result.length - 1] = { start: last.start, stop };
    }
  }
  return result;
}

interface Group {
  readonly step: Step;
  readonly members: Map<string, Vertex>;
}

/** What of the trace an event has changed. */
export interface Change {
  readonly step: Step;
  /** The line of progress that changed. */
  readonly line?: string;
}

/** All steps of a build, in the order in which they began. */
export class Trace {
  readonly steps: Step[] = [];
  /** When the first step began, by the engine's clock; and how much later that is by ours. */
  startedAt: number | undefined;
  clockDifference = 0;
  readonly #byDigest = new Map<string, Step>();
  readonly #groups = new Map<string, Group>();
  readonly #seen = new Map<string, string>();

  /** Steps that are known, and those that are over; hidden ones do not count. */
  counts(): { readonly total: number; readonly completed: number } {
    const shown = [...new Set(this.#byDigest.values())].filter(({ isHidden }) => !isHidden);
    return { total: shown.length, completed: shown.filter(({ isCompleted }) => isCompleted).length };
  }

  step(digest: string): Step | undefined {
    return this.#byDigest.get(digest);
  }

  /** Takes in what the engine told; gives what changed by it. */
  update(event: StatusEvent): Change[] {
    const changes: Change[] = [];
    for (const vertex of event.vertexes) changes.push(...this.#vertex(vertex));
    for (const { vertex, id, current, total, timestamp, started, completed } of event.statuses) {
      const step = this.#byDigest.get(vertex);
      if (step === undefined) continue;
      step.lines.set(id, {
        id,
        current,
        total,
        time: timestamp === undefined ? Date.now() : timeOf(timestamp),
        started: started === undefined ? undefined : timeOf(started),
        completed: completed === undefined ? undefined : timeOf(completed),
      });
      changes.push({ step, line: id });
    }
    for (const warning of event.warnings) {
      // Shown with what changes next, or at the end of all: a warning alone is no news of its step.
      this.#byDigest.get(warning.vertex)?.warnings.push(warning);
    }
    for (const { vertex, msg, timestamp } of event.logs) {
      const step = this.#byDigest.get(vertex);
      if (step === undefined || msg.length === 0) continue;
      step.print(Buffer.from(msg).toString(), timestamp === undefined ? Date.now() : timeOf(timestamp));
      changes.push({ step });
    }
    return changes;
  }

  #vertex(vertex: Vertex): Change[] {
    if (vertex.started !== undefined) {
      this.startedAt ??= timeOf(vertex.started);
      if (this.clockDifference === 0) this.clockDifference = Date.now() - timeOf(vertex.started);
    }
    const { progressGroup: group } = vertex;
    if (group !== undefined && group.id !== '') return this.#grouped(vertex, group);
    const { digest } = vertex;
    const known = this.#byDigest.get(digest);
    const step = known ?? new Step(digest, vertex.name);
    this.#byDigest.set(digest, step);
    if (vertex.started === undefined) return [];
    if (!step.isStarted) this.steps.push(step);
    Object.assign(step, { name: vertex.name, cached: vertex.cached, error: vertex.error });
    step.ran(spanOf(vertex, vertex.started));
    return this.#isNews(vertex) ? [{ step }] : [];
  }

  #grouped(vertex: Vertex, { id, name, weak }: NonNullable<Vertex['progressGroup']>): Change[] {
    const group = this.#groups.get(id) ?? { step: new Step(id, name), members: new Map() };
    if (!this.#groups.has(id)) group.step.isHidden = true;
    this.#groups.set(id, group);
    this.#byDigest.set(vertex.digest, group.step);
    group.members.set(vertex.digest, vertex);
    const { step } = group;
    if (vertex.started !== undefined) step.ran(spanOf(vertex, vertex.started));
    const wasHidden = step.isHidden;
    step.cached = [...group.members.values()].every(({ cached }) => cached);
    if (step.error === '') step.error = vertex.error;
    // Sources that lie there already are not worth a step of their own.
    if ((vertex.started !== undefined && !weak) || step.error !== '') step.isHidden = false;
    if (step.isHidden) return [];
    if (wasHidden) this.steps.push(step);
    return this.#isNews(vertex) ? [{ step }] : [];
  }

  #isNews({ digest, name, started, completed, cached, error }: Vertex): boolean {
    const state = JSON.stringify([name, started, completed, cached, error]);
    const isNew = this.#seen.get(digest) !== state;
    this.#seen.set(digest, state);
    return isNew;
  }
}

const spanOf = ({ completed }: Vertex, started: NonNullable<Vertex['started']>): Span => ({
  start: timeOf(started),
  stop: completed === undefined ? undefined : timeOf(completed),
});

/** `1.05MB`, as progress has it: decimal units, two digits. */
export function shownBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  let at = 0;
  let value = bytes;
  for (; value >= 1000 && at < units.length - 1; at++) value /= 1000;
  return at === 0 ? `${value}B` : `${value.toFixed(2)}${units[at]}`;
}

/** How far a line of progress is: ` 1.05MB / 3.33MB`, empty when that says nothing. */
export function shownProgress({ current, total }: Line): string {
  if (total !== 0) return `${shownBytes(current)} / ${shownBytes(total)}`;
  return current === 0 ? '' : shownBytes(current);
}

/** The logs of the steps that failed, once more. `limit`: of each the last lines only. */
export function failedOutput({ steps }: Trace, limit?: number): string {
  let text = '';
  for (const { error, isCancelled, name, output } of steps) {
    if (error === '' || isCancelled) continue;
    const lines = limit === undefined ? output : output.slice(-limit);
    text += `------\n > ${name}:\n${lines.map((line) => `${line}\n`).join('')}------\n`;
  }
  return text;
}
