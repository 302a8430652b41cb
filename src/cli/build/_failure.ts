import { excerpt } from '../../build/check/excerpt.ts';
import { GrpcError } from '../../build/grpc/status.ts';
import { rpcStatus } from '../../build/wire/control.ts';
import { decode } from '../../build/wire/decode.ts';
import { messageOf } from '../../base/errors.ts';
import type { Warning } from './progress/events.ts';

/** JSON of BuildKit's errdefs.Source: a place in a file that is built from. */
interface SourceJson {
  readonly info?: { readonly filename?: string; readonly data?: string };
  readonly ranges?: readonly {
    readonly start?: { readonly line?: number };
    readonly end?: { readonly line?: number };
  }[];
}

/** Why a build failed, with the lines of the Dockerfile where the engine tells of them. */
export function failureText(error: unknown): string {
  return `${placesOf(error)}ERROR: failed to build: failed to solve: ${messageOf(error)}`;
}

function placesOf(error: unknown): string {
  if (!(error instanceof GrpcError) || error.details === undefined) return '';
  const { details } = decode(rpcStatus, error.details);
  for (const { typeUrl, value } of details) {
    if (!typeUrl.endsWith('errdefs.Source+json')) continue;
    const source = JSON.parse(Buffer.from(value).toString()) as SourceJson;
    const [range] = source.ranges ?? [];
    if (source.info === undefined || range === undefined) continue;
    return linesOf(source.info.filename ?? '', Buffer.from(source.info.data ?? '', 'base64').toString(), range);
  }
  return '';
}

interface Place {
  readonly line?: number;
}
interface Lines {
  readonly start?: Place | undefined;
  readonly end?: Place | undefined;
}

const linesOf = (name: string, text: string, { start, end }: Lines): string =>
  excerpt(
    { name, text },
    { start: { line: start?.line ?? 1, column: 1 }, end: { line: end?.line ?? start?.line ?? 1, column: 1 } },
  );

/** The warnings of a build, once more at its end; `all` with their explanations and lines. */
export function warningsText(warnings: readonly Warning[], all: boolean): string {
  if (warnings.length === 0) return '';
  const count = warnings.length === 1 ? '1 warning found' : `${warnings.length} warnings found`;
  const hint = all ? '' : ' (use --debug to expand)';
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
  const listed = warnings.map(({ short, detail, url, info, ranges }) => {
    const line = ` - ${text(short)}\n`;
    if (!all) return line;
    const more = detail.map((one) => `${text(one)}\n`).join('');
    const page = url === '' ? '' : `More info: ${url}\n`;
    const [range] = ranges;
    const lines = info === undefined || range === undefined ? '' : linesOf(info.filename, text(info.data), range);
    return `${line}${more}${page}${lines}\n`;
  });
  return `\n ${count}${hint}:\n${listed.join('')}`;
}
