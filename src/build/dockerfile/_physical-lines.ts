import { DockerfileError } from './error.ts';
import { limits, linesRange, type Position, type Source } from './source.ts';

const lineFeed = 0x0a;
const carriageReturn = 0x0d;

/** The lines of a file, by index from 0, and the way back from an offset in its text to line and column. */
export class PhysicalLines {
  readonly #text: string;
  readonly #starts: readonly number[];

  /** @throws DockerfileError for a file that is too long. A byte order mark belongs to no line. */
  constructor({ text }: Source) {
    if (Buffer.byteLength(text) > limits.fileBytes) {
      throw new DockerfileError(`dockerfile greater than max allowed size of ${limits.fileBytes}`, linesRange(1, 1));
    }
    this.#text = text;
    const starts = [text.startsWith('\u{FEFF}') ? 1 : 0];
    for (let at = text.indexOf('\n'); at >= 0 && at + 1 < text.length; at = text.indexOf('\n', at + 1)) {
      starts.push(at + 1);
    }
    this.#starts = (starts[0] ?? 0) < text.length ? starts : [];
  }

  get count(): number {
    return this.#starts.length;
  }

  start(line: number): number {
    return this.#starts[line] ?? this.#text.length;
  }

  /** The offset behind the last character of a line that is no part of its end. @throws DockerfileError for a line that is too long */
  end(line: number): number {
    const start = this.start(line);
    let end = this.start(line + 1);
    const longest = limits.lineBytes;
    if (end - start > longest / 3 && Buffer.byteLength(this.#text.slice(start, end).replace('\n', '')) > longest) {
      const problem = `dockerfile line greater than max allowed size of ${longest}`;
      throw new DockerfileError(problem, linesRange(line + 1, line + 1));
    }
    while (end > start && isLineEnd(this.#text.charCodeAt(end - 1))) end--;
    return end;
  }

  position(offset: number): Position {
    let low = 0;
    let high = this.#starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#starts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: offset - this.start(low) + 1 };
  }
}

const isLineEnd = (code: number): boolean => code === lineFeed || code === carriageReturn;
