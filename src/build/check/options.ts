import { invalid } from '../../base/errors.ts';
import { goQuote } from '../../base/text/quote.ts';
import { directiveIn } from '../dockerfile/directives.ts';
import { experimentalRules } from './rules.ts';

/** Which rules count, and whether a finding is an error. */
export interface CheckOptions {
  readonly skip: ReadonlySet<string> | 'all';
  readonly experimental: ReadonlySet<string> | 'all';
  readonly isError: boolean;
}

const none: CheckOptions = { skip: new Set(), experimental: new Set(), isError: false };

/**
 * Reads `skip=A,B;error=true;experimental=all`, the value of a `# check=` line; a blank ends it.
 * @throws EngineError `invalid` for an option that there is not
 */
export function parseCheckOptions(value: string): CheckOptions {
  const text = value.split(' ', 1)[0] ?? '';
  if (text === '') return none;
  const options: { -readonly [Key in keyof CheckOptions]: CheckOptions[Key] } = { ...none };
  for (const part of text.split(';')) {
    const equals = part.indexOf('=');
    if (equals < 0) throw invalid(`invalid check option ${goQuote(part)}`);
    const [key, setting] = [part.slice(0, equals).trim(), part.slice(equals + 1).trim()];
    if (key === 'skip' || key === 'experimental') options[key] = ruleNames(setting);
    else if (key === 'error') options.isError = truth(part, setting);
    else throw invalid(`invalid check option ${goQuote(key)}`);
  }
  return options;
}

const ruleNames = (text: string): ReadonlySet<string> | 'all' =>
  text === 'all' ? 'all' : new Set(text.split(',').map((name) => name.trim()));

function truth(part: string, text: string): boolean {
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(text)) return true;
  if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(text)) return false;
  throw invalid(`failed to parse check option ${goQuote(part)}: expected true or false`);
}

/** Whether a rule counts at an instruction: a comment `# check=skip=RULE` above it may silence it. */
export function isActive(rule: string, options: CheckOptions, comments: readonly string[]): boolean {
  const here = commentOptions(comments);
  const names = (set: ReadonlySet<string> | 'all') => set === 'all' || set.has(rule);
  if (experimentalRules.has(rule)) return names(options.experimental) || names(here.experimental);
  return !names(options.skip) && !names(here.skip);
}

/** One instruction can have very many findings. */
const readBefore = new WeakMap<readonly string[], CheckOptions>();

function commentOptions(comments: readonly string[]): CheckOptions {
  const known = readBefore.get(comments) ?? readComments(comments);
  readBefore.set(comments, known);
  return known;
}

/** Of the first comment with options; none for one that cannot be read. */
function readComments(comments: readonly string[]): CheckOptions {
  const directive = comments.map((comment) => directiveIn(comment)).find((found) => found?.name === 'check');
  if (directive === undefined) return none;
  try {
    return parseCheckOptions(directive.value);
  } catch {
    return none;
  }
}
