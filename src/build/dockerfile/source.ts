/** A place in a file. Both count from 1; columns count UTF-16 units, as editors' protocols do. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** From the first character to behind the last one. */
export interface Range {
  readonly start: Position;
  readonly end: Position;
}

/** The text of a file and the name that messages give it. */
export interface Source {
  readonly name: string;
  readonly text: string;
}

/** A piece of a file as it is meant: without the line ends of continuations, with its quotes. */
export interface Word {
  readonly text: string;
  readonly range: Range;
}

/** What a Dockerfile may have at most. Docker has the limit of a line; nothing that people write comes near the others. */
export const limits = {
  fileBytes: 1024 * 1024,
  lineBytes: 65_535,
  instructions: 20_000,
} as const;

/** A range of whole lines. */
export const linesRange = (first: number, last: number): Range => ({
  start: { line: first, column: 1 },
  end: { line: last, column: 1 },
});
