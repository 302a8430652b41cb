import type { Dockerfile } from '../dockerfile/parse.ts';
import type { Range } from '../dockerfile/source.ts';

/** Lines of a file, as BuildKit's descriptions name them. */
export interface Location {
  readonly ranges: readonly { readonly start: { readonly line: number }; readonly end: { readonly line: number } }[];
}

export const lineLocation = ({ start, end }: Range): Location => ({
  ranges: [{ start: { line: start.line }, end: { line: Math.max(end.line, start.line) } }],
});

/** The file itself goes along with what is said of it. */
export const sourceText = ({ source }: Dockerfile): string => Buffer.from(source.text).toString('base64');
