/**
 * Indents JSON text by `indent` a level, or makes it compact when that is empty. Works on the text itself, so that
 * numbers larger than a double and the order of keys stay as the engine sent them.
 */
export function reformatJson(text: string, indent: string): string {
  let output = '';
  let depth = 0;
  const line = () => (indent === '' ? '' : `\n${indent.repeat(depth)}`);
  for (let at = 0; at < text.length; at++) {
    const char = text[at] as string;
    if (char === '"') {
      const end = endOfString(text, at);
      output += text.slice(at, end);
      at = end - 1;
    } else if (char === '{' || char === '[') {
      const close = nextToken(text, at + 1);
      if (text[close] === '}' || text[close] === ']') {
        output += char + text[close];
        at = close;
        continue;
      }
      depth++;
      output += char + line();
    } else if (char === '}' || char === ']') {
      depth--;
      output += line() + char;
    } else if (char === ',') output += char + line();
    else if (char === ':') output += indent === '' ? char : ': ';
    else if (!isBlank(char)) output += char;
  }
  return output;
}

const isBlank = (char: string | undefined): boolean => char === ' ' || char === '\n' || char === '\r' || char === '\t';

function nextToken(text: string, from: number): number {
  let at = from;
  while (isBlank(text[at])) at++;
  return at;
}

/** The offset behind the string that begins at `from`. */
function endOfString(text: string, from: number): number {
  let at = from + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}
