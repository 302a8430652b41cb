import type { Range } from './source.ts';

/** `2:1-9`, or `2:1-4:5` over several lines: a range in few characters, for tests and logs. */
export const printedRange = ({ start, end }: Range): string =>
  `${start.line}:${start.column}-${end.line === start.line ? '' : `${end.line}:`}${end.column}`;
