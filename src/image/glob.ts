/**
 * Matches a whole text against a shell pattern, as Docker's reference filters do: `*` and `?` stand for anything but
 * `/`, `[a-z]` and `[^a-z]` for one character, `\` takes the next character as it is. At worst pattern times text.
 * Returns undefined for a malformed pattern.
 */
export function globMatches(pattern: string, text: string): boolean | undefined {
  const parts = parsePattern(pattern);
  if (parts === undefined) return undefined;
  let at = 0;
  let part = 0;
  /** Where to go on when the text after the last star does not fit. */
  let retry: { part: number; at: number } | undefined;
  while (at < text.length) {
    const wanted = parts[part];
    if (wanted === 'star') {
      retry = { part: ++part, at };
    } else if (wanted?.(text.charAt(at)) === true) {
      part++;
      at++;
    } else if (retry !== undefined && text.charAt(retry.at) !== '/') {
      at = ++retry.at;
      part = retry.part;
    } else {
      return false;
    }
  }
  while (parts[part] === 'star') part++;
  return part === parts.length;
}

type Part = 'star' | ((character: string) => boolean);

function parsePattern(pattern: string): Part[] | undefined {
  const parts: Part[] = [];
  for (let at = 0; at < pattern.length; at++) {
    const character = pattern.charAt(at);
    if (character === '*') parts.push('star');
    else if (character === '?') parts.push((other) => other !== '/');
    else if (character === '[') {
      const parsed = parseClass(pattern, at + 1);
      if (parsed === undefined) return undefined;
      parts.push(parsed.matches);
      at = parsed.end;
    } else {
      const literal = character === '\\' ? pattern.charAt(++at) : character;
      if (literal === '') return undefined;
      parts.push((other) => other === literal);
    }
  }
  return parts;
}

/** `end` is the offset of the closing bracket. */
function parseClass(
  pattern: string,
  from: number,
): { end: number; matches: (character: string) => boolean } | undefined {
  const negated = pattern[from] === '^';
  const ranges: [low: string, high: string][] = [];
  let at = negated ? from + 1 : from;
  const take = (): string => {
    if (pattern[at] === '\\') at++;
    return pattern.charAt(at++);
  };
  while (at < pattern.length && (pattern[at] !== ']' || ranges.length === 0)) {
    const low = take();
    let high = low;
    if (pattern[at] === '-' && pattern[at + 1] !== ']') {
      at++;
      high = take();
    }
    if (low === '' || high === '') return undefined;
    ranges.push([low, high]);
  }
  if (pattern[at] !== ']') return undefined;
  const matches = (other: string) => ranges.some(([low, high]) => low <= other && other <= high) !== negated;
  return { end: at, matches };
}
