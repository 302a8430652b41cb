import { evaluate, parse } from '../../base/text/template/evaluate.ts';
import { TemplateError } from '../../base/text/template/nodes.ts';
import { CliError } from '../errors.ts';

/** One object in the format `json` or a Go template, with a newline. @throws CliError with `exitCode` for a bad template. */
export function formatObject(format: string, object: Readonly<Record<string, unknown>>, exitCode = 1): string {
  if (format === 'json') return `${JSON.stringify(object)}\n`;
  try {
    return `${evaluate(parse(format), object)}\n`;
  } catch (error) {
    if (error instanceof TemplateError) throw new CliError(`template parsing error: ${error.message}`, exitCode);
    throw error;
  }
}
