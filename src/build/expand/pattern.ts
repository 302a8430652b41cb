import { invalid } from '../../base/errors.ts';
import { States } from '../states.ts';
import type { Budget } from './budget.ts';

/** A pattern of a substitution: `*` stands for any text, `?` for any character, neither for a line end. */
type Part = { readonly kind: 'character'; readonly character: string } | { readonly kind: 'any' | 'star' };

/** @throws EngineError `invalid` for an escape of what needs none. `\}` and `\/` are those that end the substitution. */
function parsePattern(pattern: string): Part[] {
  const parts: Part[] = [];
  const characters = Array.from(pattern);
  for (let at = 0; at < characters.length; at++) {
    let character = characters[at] as string;
    if (character === '*') parts.push({ kind: 'star' });
    else if (character === '?') parts.push({ kind: 'any' });
    else {
      if (character === '\\') {
        character = characters[++at] ?? '';
        if (!'*?\\}/'.includes(character) || character === '') throw wrongEscape(pattern, character);
      }
      parts.push({ kind: 'character', character });
    }
  }
  return parts;
}

const wrongEscape = (pattern: string, character: string): Error =>
  invalid(`invalid pattern (${pattern}) in substitution: invalid escape '\\${character}'`);

const fits = (part: Part, character: string): boolean =>
  part.kind === 'character' ? part.character === character : character !== '\n';

/**
 * How many characters from `from` on the pattern takes, at least or at most; undefined when it does not fit there. All
 * ways to match are followed at once: pattern times text in the worst case, which the budget holds in check.
 */
function matchLength(
  parts: readonly Part[],
  text: readonly string[],
  from: number,
  longest: boolean,
  budget: Budget,
): number | undefined {
  const skips = [...parts.map(({ kind }) => kind === 'star'), false];
  let [now, next] = [new States(skips), new States(skips)];
  now.add(0);
  let found: number | undefined;
  for (let at = from; ; at++) {
    if (now.has(parts.length)) {
      found = at - from;
      if (!longest) return found;
    }
    if (at === text.length || now.list.length === 0) return found;
    budget.spend(now.list.length);
    for (const state of now.list) {
      const part = parts[state];
      if (part !== undefined && fits(part, text[at] as string)) next.add(part.kind === 'star' ? state : state + 1);
    }
    [now, next] = [next, now];
    next.clear();
  }
}

/** `${text#pattern}`, or `##` for the longest match. */
export function withoutPrefix(text: string, pattern: string, longest: boolean, budget: Budget): string {
  const characters = Array.from(text);
  const length = matchLength(parsePattern(pattern), characters, 0, longest, budget);
  return length === undefined ? text : characters.slice(length).join('');
}

/** `${text%pattern}`, or `%%` for the longest match: the same from behind. */
export function withoutSuffix(text: string, pattern: string, longest: boolean, budget: Budget): string {
  const characters = Array.from(text).reverse();
  const length = matchLength(parsePattern(pattern).reverse(), characters, 0, longest, budget);
  return length === undefined ? text : characters.slice(length).reverse().join('');
}

/** `${text/pattern/by}`: the first match, the longest there, or all of them. */
export function replaceMatches(text: string, pattern: string, by: string, all: boolean, budget: Budget): string {
  const parts = parsePattern(pattern);
  const characters = Array.from(text);
  let replaced = '';
  let copied = 0;
  /** The end of the match before: nothing right behind a match is no match of its own. */
  let last = -1;
  for (let at = 0; at <= characters.length; ) {
    const length = matchLength(parts, characters, at, true, budget);
    budget.spend(1 + parts.length);
    if (length === undefined || (length === 0 && at === last)) {
      at++;
      continue;
    }
    replaced += characters.slice(copied, at).join('') + by;
    budget.spend(by.length);
    copied = at + length;
    last = copied;
    if (!all) break;
    at = Math.max(copied, at + (length === 0 ? 1 : 0));
  }
  return replaced + characters.slice(copied).join('');
}
