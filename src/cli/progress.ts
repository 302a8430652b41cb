import { formatDuration } from '../base/text/duration.ts';
import { humanSize } from '../base/text/units.ts';
import { decodeJsonStream } from '../client/stream.ts';
import type { ProgressMessage } from '../spec/engine/progress.ts';
import { CliError } from './errors.ts';

/** A progress message as it comes over the wire: it may carry an error instead. */
export interface WireProgress extends ProgressMessage {
  readonly errorDetail?: { readonly code?: number; readonly message?: string };
  readonly error?: string;
}

export interface ProgressDisplay {
  /** The lines go to a terminal: they are drawn over, with bars. */
  readonly isTerminal: boolean;
  /** Columns of the terminal. */
  readonly width: number;
  write(text: string): void;
}

/**
 * Shows a stream of progress messages: on a terminal one line a layer that is redrawn, else one line a change of state.
 * `take` is given what is said to programs rather than to people.
 * @throws CliError with the message of an error in the stream.
 */
export async function showProgress(
  body: AsyncIterable<Uint8Array>,
  display: ProgressDisplay,
  take?: (aux: unknown) => void,
): Promise<void> {
  const show = progressWriter(display, take);
  for await (const message of decodeJsonStream<WireProgress>(body)) show(message);
}

/** The same for messages one by one. What it gives throws CliError with the message of an error. */
export function progressWriter(
  display: ProgressDisplay,
  take: (aux: unknown) => void = () => undefined,
): (message: WireProgress) => void {
  const lines = new Map<string, number>();
  return (message) => {
    const failure = message.errorDetail?.message ?? message.error;
    if (failure !== undefined) throw new CliError(failure);
    if (message.aux === undefined) showMessage(message, display, lines);
    else take(message.aux);
  };
}

function showMessage(message: WireProgress, display: ProgressDisplay, lines: Map<string, number>): void {
  const { id = '' } = message;
  let up = 0;
  if (id !== '' && message.progressDetail !== undefined) {
    const known = lines.get(id);
    if (known === undefined) {
      lines.set(id, lines.size);
      if (display.isTerminal) display.write('\n');
    }
    up = lines.size - (known ?? lines.size - 1);
    if (display.isTerminal) display.write(`\x1b[${up}A`);
  } else lines.clear();
  const line = messageLine(message, display);
  if (line !== undefined) display.write(line);
  if (id !== '' && display.isTerminal && up > 0) display.write(`\x1b[${up}B`);
}

function messageLine(message: WireProgress, display: ProgressDisplay): string | undefined {
  const { progressDetail: detail, status = '', stream = '', id = '' } = message;
  const bar = detail === undefined ? '' : progressBar(detail, display.width);
  const isDrawn = display.isTerminal && stream === '' && detail !== undefined;
  if (!isDrawn && bar !== '') return undefined;
  const head = id === '' ? '' : `${id}: `;
  if (isDrawn) return `\x1b[2K\r${head}${status} ${bar}\r`;
  return stream === '' ? `${head}${status}\n` : `${head}${stream}`;
}

type Detail = NonNullable<ProgressMessage['progressDetail']>;

/** `[====>     ]  1.2MB/4.5MB 3s`; empty when nothing is known yet. */
export function progressBar(detail: Detail, width: number, now = Date.now()): string {
  const { current = 0, total = 0, units = '', hidecounts = false, start = 0 } = detail;
  if (current <= 0 && total <= 0) return '';
  const size = (bytes: number) => humanSize(bytes);
  if (total <= 0) return units === '' ? size(current).padStart(8) : `${current} ${units}`;
  const half = Math.min(Math.trunc(Math.trunc((current / total) * 100) / 2), 50);
  const box = width > 110 ? `[${'='.repeat(half)}>${' '.repeat(50 - half)}] ` : '';
  let numbers = '';
  if (!hidecounts) {
    if (units !== '') numbers = current > total ? `${current} ${units}` : `${current}/${total} ${units}`;
    else numbers = current > total ? size(current).padStart(8) : `${size(current).padStart(8)}/${size(total)}`;
  }
  if (current <= 0 || start <= 0 || half >= 50 || width <= 50) return box + numbers;
  const perUnit = (now - start * 1000) / current;
  const seconds = Math.trunc(((total - current) * perUnit) / 1000);
  return `${box}${numbers} ${formatDuration(BigInt(seconds) * 1_000_000_000n)}`;
}
