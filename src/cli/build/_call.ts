import { excerpt } from '../../build/check/excerpt.ts';
import { csvFields } from '../../base/text/csv.ts';
import { CliError } from '../errors.ts';
import type { Session } from '../session.ts';
import type { BuildFlags } from './_attributes.ts';

/** Something that the engine is asked instead of a build. */
export interface Call {
  readonly requestId: string;
  readonly format: 'text' | 'json';
  readonly ignoresStatus: boolean;
  /** Said besides. */
  readonly attributes: ReadonlyMap<string, string>;
}

const requests: Readonly<Record<string, string>> = {
  check: 'frontend.lint',
  lint: 'frontend.lint',
  outline: 'frontend.outline',
  targets: 'frontend.targets',
  graph: 'frontend.graph',
  'subrequests.describe': 'frontend.subrequests.describe',
};

/** What `--check` and `--call=check,format=json` mean; undefined for a build. @throws CliError */
export function callOf(flags: BuildFlags): Call | undefined {
  const { call, check } = flags;
  const graph = flags['print-graph'];
  if (graph !== undefined) {
    if (check || call !== 'build') throw new CliError('--print-graph, --check and --call exclude each other');
    const attributes = new Map([['graph-format', graph]]);
    return { requestId: 'frontend.graph', format: 'text', ignoresStatus: false, attributes };
  }
  if (check && !['build', 'check', 'lint'].includes(call)) throw new CliError('--check and --call exclude each other');
  let name = check ? 'check' : '';
  let format = 'text';
  let ignoresStatus = false;
  const fields = call === '' ? [] : csvFields(call);
  for (const field of fields) {
    const [key = '', value] = field.split('=', 2);
    if (value === undefined) name = check && key === 'build' ? 'check' : key;
    else if (key === 'format' && (value === 'json' || value === 'text')) format = value;
    else if (key === 'ignorestatus') ignoresStatus = value === 'true' || value === '1';
    else
      throw new CliError(
        `--call: unexpected ${JSON.stringify(field)}: expected METHOD[,format=json|text][,ignorestatus=true]`,
      );
  }
  if (name === 'build' || name === '') return undefined;
  const requestId = Object.hasOwn(requests, name) ? requests[name] : undefined;
  if (requestId === undefined) {
    throw new CliError(`--call: unknown method ${JSON.stringify(name)}: expected build, check, outline or targets`);
  }
  return { requestId, format: format === 'json' ? 'json' : 'text', ignoresStatus, attributes: new Map() };
}

interface LintPlace {
  readonly sourceIndex?: number;
  readonly ranges?: readonly {
    readonly start?: { readonly line?: number };
    readonly end?: { readonly line?: number };
  }[];
}
interface LintWarning {
  readonly ruleName?: string;
  readonly url?: string;
  readonly detail?: string;
  readonly location?: LintPlace;
}
interface LintJson {
  readonly warnings?: readonly LintWarning[] | null;
  readonly sources?: readonly { readonly filename?: string; readonly data?: string }[];
  readonly buildError?: { readonly message?: string; readonly location?: LintPlace };
}

/** Prints the answer; resolves with the exit code. */
export function printAnswer(session: Session, call: Call, answer: ReadonlyMap<string, Uint8Array>): number {
  const text = (key: string): string => Buffer.from(answer.get(key) ?? []).toString();
  const json = text('result.json');
  const status = call.ignoresStatus ? 0 : Number(text('result.statuscode') || 0);
  if (call.format === 'json') {
    session.out(`${json}\n`);
    return status;
  }
  if (call.requestId !== 'frontend.lint') {
    session.out(text('result.txt'));
    return status;
  }
  const result = JSON.parse(json === '' ? '{}' : json) as LintJson;
  const { buildError } = result;
  const warnings = result.warnings ?? [];
  const count = warnings.length;
  if (count > 0) {
    session.out(`Check complete, ${count === 1 ? '1 warning has' : `${count} warnings have`} been found!\n`);
    session.out(warnings.map((warning) => warningText(result, warning)).join(''));
  }
  if (buildError !== undefined) {
    const { message = '', location } = buildError;
    throw new CliError(`${count > 0 ? '\n' : ''}ERROR: ${message}\n${linesAt(result, location)}`.trimEnd());
  }
  if (count === 0) session.out('Check complete, no warnings found.\n');
  return status;
}

function warningText(result: LintJson, { ruleName = '', url = '', detail = '', location }: LintWarning): string {
  return `\nWARNING: ${ruleName}${url === '' ? '' : ` - ${url}`}\n${detail}\n${linesAt(result, location)}`;
}

function linesAt({ sources }: LintJson, place: LintPlace | undefined): string {
  const source = sources?.[place?.sourceIndex ?? 0];
  const [range] = place?.ranges ?? [];
  if (source === undefined || range === undefined) return '';
  const first = range.start?.line ?? 1;
  const file = { name: source.filename ?? '', text: Buffer.from(source.data ?? '', 'base64').toString() };
  return excerpt(file, { start: { line: first, column: 1 }, end: { line: range.end?.line ?? first, column: 1 } });
}
