/** A piece of a pattern. */
export type GlobPart =
  /** Any text without a `/`. */
  | { readonly kind: 'star' }
  /** Any character but `/`. */
  | { readonly kind: 'any' }
  | { readonly kind: 'literal'; readonly character: string }
  | { readonly kind: 'class'; readonly matches: (character: string) => boolean };

/**
 * Matches a whole text against a shell pattern, as Go's path.Match does: `*` and `?` stand for anything but `/`, `[a-z]`
 * and `[^a-z]` for one character, `\` takes the next character as it is. At worst pattern times text.
 * Returns undefined for a malformed pattern.
 */
export function globMatches(pattern: string, text: string): boolean | undefined {
  const parts = parseGlob(pattern);
  return parts === undefined ? undefined : globFits(parts, text);
}

/** The same with a pattern that was read before. */
export function globFits(parts: readonly GlobPart[], text: string): boolean {
  const characters = Array.from(text);
  let at = 0;
  let part = 0;
  /** Where to go on when the text after the last star does not fit. */
  let retry: { part: number; at: number } | undefined;
  while (at < characters.length) {
    const wanted = parts[part];
    if (wanted?.kind === 'star') {
      retry = { part: ++part, at };
    } else if (wanted !== undefined && globPartFits(wanted, characters[at] as string)) {
      part++;
      at++;
    } else if (retry !== undefined && characters[retry.at] !== '/') {
      at = ++retry.at;
      part = retry.part;
    } else {
      return false;
    }
  }
  while (parts[part]?.kind === 'star') part++;
  return part === parts.length;
}

/** Whether a character is one that the part stands for. */
export function globPartFits(part: GlobPart, character: string): boolean {
  switch (part.kind) {
    case 'literal':
      return part.character === character;
    case 'class':
      return part.matches(character);
    case 'star':
    case 'any':
      return character !== '/';
  }
}

/** The parts of a pattern; undefined for a malformed one: a class that is not closed or empty, a `\` at the end. */
export function parseGlob(pattern: string): GlobPart[] | undefined {
  const characters = Array.from(pattern);
  const parts: GlobPart[] = [];
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at] as string;
    if (character === '*') parts.push({ kind: 'star' });
    else if (character === '?') parts.push({ kind: 'any' });
    else if (character === '[') {
      const parsed = parseClass(characters, at + 1);
      if (parsed === undefined) return undefined;
      parts.push({ kind: 'class', matches: parsed.matches });
      at = parsed.end;
    } else {
      const literal = character === '\\' ? characters[++at] : character;
      if (literal === undefined) return undefined;
      parts.push({ kind: 'literal', character: literal });
    }
  }
  return parts;
}

/** `end` is the offset of the closing bracket. */
function parseClass(
  pattern: readonly string[],
  from: number,
): { end: number; matches: (character: string) => boolean } | undefined {
  const negated = pattern[from] === '^';
  const ranges: [low: number, high: number][] = [];
  let at = negated ? from + 1 : from;
  /** One end of a range; `-` and `]` only with a `\` before them. */
  const take = (): number | undefined => {
    if (pattern[at] === '-' || pattern[at] === ']') return undefined;
    if (pattern[at] === '\\') at++;
    return pattern[at++]?.codePointAt(0);
  };
  while (at < pattern.length && (pattern[at] !== ']' || ranges.length === 0)) {
    const low = take();
    let high = low;
    if (pattern[at] === '-') {
      at++;
      high = take();
    }
    if (low === undefined || high === undefined) return undefined;
    ranges.push([low, high]);
  }
  if (pattern[at] !== ']') return undefined;
  const matches = (character: string) => {
    const code = character.codePointAt(0) as number;
    return ranges.some(([low, high]) => low <= code && code <= high) !== negated;
  };
  return { end: at, matches };
}
