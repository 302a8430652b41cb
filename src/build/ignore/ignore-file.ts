import { trimSpaces } from '../spaces.ts';
import { cleanPath } from './clean-path.ts';

/**
 * The patterns in a .dockerignore: one a line, without white space around it, comments (a `#` in the first column) and a
 * byte order mark; made relative to the context, and as short as they go. `!` stays in front of exceptions.
 */
export function parseIgnoreFile(text: string): string[] {
  const patterns: string[] = [];
  for (const line of text.replace(/^\u{FEFF}/u, '').split('\n')) {
    const written = line.startsWith('#') ? '' : trimSpaces(line);
    if (written === '') continue;
    const isException = written.startsWith('!');
    const pattern = isException ? trimSpaces(written.slice(1)) : written;
    patterns.push(`${isException ? '!' : ''}${pattern === '' ? '' : relative(cleanPath(pattern))}`);
  }
  return patterns;
}

const relative = (path: string): string => (path.length > 1 && path.startsWith('/') ? path.slice(1) : path);
