/** The characters that separate words of most instructions: tab, vertical tab, form feed, carriage return, space. */
export function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09 || code === 0x0d || code === 0x0b || code === 0x0c;
}

/** All white space of Unicode (White_Space), which is what texts are trimmed of and quoted words stand between. */
export function isSpace(code: number): boolean {
  if (code < 0x80) return isBlank(code) || code === 0x0a;
  return (
    code === 0x85 ||
    code === 0xa0 ||
    code === 0x1680 ||
    (code >= 0x2000 && code <= 0x200a) ||
    code === 0x2028 ||
    code === 0x2029 ||
    code === 0x202f ||
    code === 0x205f ||
    code === 0x3000
  );
}

/** The part of `text` between `from` and `to` that is left without white space at both ends. */
export function trimmed(text: string, from: number, to: number): { from: number; to: number } {
  let start = from;
  let end = to;
  while (start < end && isSpace(text.charCodeAt(start))) start++;
  while (end > start && isSpace(text.charCodeAt(end - 1))) end--;
  return { from: start, to: end };
}

export const trimSpaces = (text: string): string => {
  const { from, to } = trimmed(text, 0, text.length);
  return text.slice(from, to);
};
