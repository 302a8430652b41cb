import type { ProgressDisplay, StatusEvent } from './events.ts';
import { failedOutput, shownProgress, type Step, Trace } from './trace.ts';

/** Lines of a running step's output that are shown below it. */
const mostOutput = 6;
const refreshMs = 100;
const tickMs = 150;
const blue = '34';
const red = '31';
const yellow = '33';
const faint = '2';

export interface Screen {
  readonly size: () => { readonly width: number; readonly height: number };
  readonly write: (text: string) => void;
  readonly hasColours: boolean;
}

/** One line of the picture. */
interface Row {
  readonly text: string;
  readonly status: string;
  readonly seconds: number | undefined;
  readonly colour: string;
  readonly isOver: boolean;
  /** Output below it. */
  readonly output: readonly string[];
}

/**
 * Progress on a terminal, drawn over itself: all steps with their times, what runs at the same time, marks of cached ones, the
 * last lines that running commands have printed.
 */
export class TerminalDisplay implements ProgressDisplay {
  readonly #screen: Screen;
  readonly #description: string;
  readonly #trace = new Trace();
  readonly #begun = Date.now();
  readonly #ticker: ReturnType<typeof setInterval>;
  #lastDrawn = 0;
  #height = 0;

  constructor(screen: Screen, description: string) {
    this.#screen = screen;
    this.#description = description;
    this.#ticker = setInterval(() => this.#draw(false), tickMs);
  }

  take(event: StatusEvent): void {
    this.#trace.update(event);
    if (Date.now() - this.#lastDrawn >= refreshMs) this.#draw(false);
  }

  finish(): void {
    clearInterval(this.#ticker);
    this.#draw(true);
    this.#screen.write(failedOutput(this.#trace));
  }

  #draw(isLast: boolean): void {
    this.#lastDrawn = Date.now();
    const { width, height } = this.#screen.size();
    const rows = rowsOf(this.#trace, this.#lastDrawn - this.#trace.clockDifference);
    const body = fitted(rows, isLast ? Number.POSITIVE_INFINITY : Math.max(1, height - 2), isLast)
      .flatMap((row) => [
        this.#line(row, width),
        ...row.output.map((line) => this.#coloured(outputLine(line, width), faint)),
      ])
      .filter((line) => line !== '');
    const { total, completed } = this.#trace.counts();
    const since =
      this.#trace.startedAt === undefined ? this.#begun : this.#trace.startedAt + this.#trace.clockDifference;
    const seconds = ((this.#lastDrawn - since) / 1000).toFixed(1);
    const state = isLast && completed > 0 && completed === total ? 'FINISHED' : '';
    const head = spread(`[+] Building ${seconds}s (${completed}/${total}) ${state}`, this.#description, width - 1);
    const lines = [head.slice(0, width), ...body];
    // Lines that were there and are not any more are wiped.
    const up = this.#height > 0 ? `\x1b[${this.#height}A` : '';
    const text = lines.map((line) => `\x1b[2K${line}\n`).join('');
    this.#screen.write(`\x1b[?25l${up}\r${text}\x1b[0J\x1b[?25h`);
    this.#height = lines.length;
  }

  #line({ text, status, seconds, colour, isOver }: Row, width: number): string {
    const time = seconds === undefined ? '' : ` ${(seconds < 0.05 ? 0 : seconds).toFixed(1)}s`;
    const prefix = ' => ';
    let left = width - prefix.length - time.length - 1;
    const shownStatus = status !== '' && left + status.length > 20 ? ` ${status}` : '';
    left -= shownStatus.length;
    if (left < 12) return '';
    const line = spread(`${prefix}${text.slice(0, left)}${shownStatus}`, time, width);
    return isOver ? this.#coloured(line, colour) : line;
  }

  #coloured(text: string, colour: string): string {
    return this.#screen.hasColours ? `\x1b[${colour}m${text}\x1b[0m` : text;
  }
}

const spread = (left: string, right: string, width: number): string =>
  left + ' '.repeat(Math.max(1, width - left.length - right.length)) + right;

/** Control characters of a command's output would move the cursor. */
// oxlint-disable-next-line no-control-regex
const controls = /\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0a-\x1f\x7f]/g;
const outputLine = (line: string, width: number): string =>
  ` => => # ${line.replaceAll('\t', '    ').replace(controls, '')}`.slice(0, width - 1);

function rowsOf({ steps }: Trace, now: number): Row[] {
  return steps.flatMap((step) => [stepRow(step, now), ...lineRows(step, now), ...warningRows(step, now)]);
}

function stepRow(step: Step, now: number): Row {
  const { name, error, isCancelled, cached, isCompleted } = step;
  const mark = error === '' ? '' : isCancelled ? 'CANCELED ' : 'ERROR ';
  const colour = error === '' ? blue : isCancelled ? yellow : red;
  const text = `${cached ? 'CACHED ' : ''}${mark}${name.replaceAll(/[\t\n\r]/g, ' ')}`;
  // What a carriage return has overwritten is not shown.
  const output = isCompleted ? [] : step.output.slice(-mostOutput).map((line) => lastOf(line));
  return { text, status: '', seconds: step.duration(now), colour, isOver: isCompleted, output };
}

/** The part behind the stamp that is on the screen after carriage returns. */
const lastOf = (line: string): string => {
  const text = line.slice(line.indexOf(' ') + 1).replace(/\r+$/, '');
  return text.slice(text.lastIndexOf('\r') + 1);
};

const lineRows = ({ lines }: Step, now: number): Row[] =>
  [...lines.values()]
    .filter(({ started }) => started !== undefined)
    .map((line) => ({
      text: `=> ${line.id}`,
      status: shownProgress(line),
      seconds: ((line.completed ?? now) - (line.started ?? now)) / 1000,
      colour: blue,
      isOver: line.completed !== undefined,
      output: [],
    }));

const warningRows = (step: Step, now: number): Row[] =>
  step.warnings.map(({ short }) => ({
    text: `WARN: ${Buffer.from(short).toString()}`,
    status: '',
    seconds: step.duration(now),
    colour: yellow,
    isOver: true,
    output: [],
  }));

/** As many rows as there is room for: what runs before what is over, later ones before earlier ones; then their output. */
function fitted(rows: readonly Row[], room: number, isLast: boolean): Row[] {
  const bare = rows.map((row) => ({ ...row, output: [] as readonly string[] }));
  if (isLast) return bare;
  const kept = new Set<number>();
  const order = rows.map((_row, at) => at).reverse();
  for (const at of [...order.filter((one) => rows[one]?.isOver !== true), ...order]) {
    if (kept.size < room) kept.add(at);
  }
  let free = room - kept.size;
  return bare.flatMap((row, at) => {
    if (!kept.has(at)) return [];
    const output = (rows[at]?.output ?? []).slice(-Math.max(0, free));
    if (free <= 0 || output.length === 0) return [row];
    free -= output.length;
    return [{ ...row, output }];
  });
}
