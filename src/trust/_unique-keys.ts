import { invalid } from '../base/errors.ts';

const quote = 34;
const backslash = 92;

/**
 * Refuses an object that has a key twice: parsers keep one of the values without a word. `text` is JSON that has been
 * parsed already. @throws EngineError `invalid` naming `what` and the key
 */
export function refuseRepeatedKeys(text: string, what: string): void {
  /** The keys so far of each open object; undefined for a list. */
  const open: (Set<string> | undefined)[] = [];
  let mayBeKey = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === quote) {
      const end = endOfString(text, at);
      const keys = open.at(-1);
      if (mayBeKey && keys !== undefined) {
        const key = JSON.parse(text.slice(at, end + 1)) as string;
        if (keys.has(key)) throw invalid(`${what}: the key ${JSON.stringify(key.slice(0, 200))} is there twice`);
        keys.add(key);
      }
      mayBeKey = false;
      at = end;
    } else if (text[at] === '{') {
      open.push(new Set());
      mayBeKey = true;
    } else if (text[at] === '[') {
      open.push(undefined);
    } else if (text[at] === '}' || text[at] === ']') {
      open.pop();
    } else if (text[at] === ',') {
      mayBeKey = open.at(-1) !== undefined;
    }
  }
}

/** Where the string that begins at `start` ends: its closing quote. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text.charCodeAt(at) !== quote) at += text.charCodeAt(at) === backslash ? 2 : 1;
  return at;
}
