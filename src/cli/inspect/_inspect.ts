import { messageOf } from '../../base/errors.ts';
import { evaluate, parse } from '../../base/text/template/evaluate.ts';
import { TemplateError } from '../../base/text/template/nodes.ts';
import { CliError } from '../errors.ts';
import type { Session } from '../session.ts';
import { reformatJson } from '../format/json.ts';
import { typedValue } from './_typed.ts';
import type { Shape } from './_typed.ts';

/** One inspected object: the engine's own text, and what its fields mean to templates. */
export interface Found {
  readonly text: string;
  readonly shape: Shape;
}

/**
 * Looks every name up and prints all that was found, as indented JSON, as `json` on one line, or by a template a line.
 * @throws CliError with the messages of the names that were not found.
 */
export async function inspectAll(
  session: Session,
  names: readonly string[],
  format: string,
  find: (name: string) => Promise<Found>,
): Promise<number> {
  const print = printer(format);
  const found: Found[] = [];
  const outputs: string[] = [];
  const messages: string[] = [];
  for (const name of names) {
    try {
      const item = await find(name);
      if (print !== undefined) outputs.push(print(item));
      found.push(item);
    } catch (error) {
      messages.push(messageOf(error));
    }
  }
  if (print !== undefined) session.out(outputs.length === 0 ? '\n' : outputs.join(''));
  else
    session.out(`${reformatJson(`[${found.map(({ text }) => text).join(',')}]`, format === 'json' ? '' : '    ')}\n`);
  if (messages.length > 0) throw new CliError(messages.join('\n'));
  return 0;
}

/** JSON with whole numbers that no double holds as bigints. */
const parseExactly = (text: string): unknown =>
  JSON.parse(text, (_, value: unknown, context?: { source?: string }) => {
    const isLost = typeof value === 'number' && !Number.isSafeInteger(value) && Number.isInteger(value);
    return isLost && context?.source !== undefined && /^-?[0-9]+$/.test(context.source)
      ? BigInt(context.source)
      : value;
  });

function printer(format: string): ((found: Found) => string) | undefined {
  if (format === '' || format === 'json') return undefined;
  try {
    const template = parse(format);
    return ({ text, shape }) => {
      const plain = parseExactly(text);
      try {
        return `${evaluate(template, typedValue(plain, shape))}\n`;
      } catch (error) {
        if (!(error instanceof TemplateError)) throw error;
      }
      // Fields that this client does not know: what the engine sent is taken as it is.
      try {
        return `${evaluate(template, plain, { strictKeys: true })}\n`;
      } catch (error) {
        throw new CliError(`template parsing error: ${messageOf(error)}`);
      }
    };
  } catch (error) {
    throw new CliError(`template parsing error: ${messageOf(error)}`, 64);
  }
}
