import { type GlobPart, globPartFits, parseGlob } from '../../base/text/glob.ts';
import { States } from '../states.ts';

/** A part of a pattern that goes over `/`. */
type PathPart =
  | GlobPart
  /** `**` before something: any number of whole folders, also none. */
  | { readonly kind: 'folders' }
  /** `**` at the end: everything. */
  | { readonly kind: 'rest' };

/** Whether a pattern stands for a path, relative and clean, or with `orParent` for a folder that it is in. */
export type PathTest = (path: string, orParent: boolean) => boolean;

/**
 * A pattern of a .dockerignore or of `--exclude`, ready to use; undefined for a malformed one. `*`, `?` and classes are
 * those of shell patterns; `**` stands for any number of folders. Most patterns need no more than a comparison.
 */
export function compilePattern(pattern: string): PathTest | undefined {
  const glob = parseGlob(pattern);
  if (glob === undefined) return undefined;
  const parts = withFolders(glob);
  const [first] = parts;
  if (parts.every(isLiteral)) {
    const text = literalText(parts);
    return (path, orParent) => path === text || (orParent && path.startsWith(`${text}/`));
  }
  if (parts.at(-1)?.kind === 'rest' && parts.slice(0, -1).every(isLiteral)) {
    const prefix = literalText(parts.slice(0, -1));
    return (path) => path.startsWith(prefix);
  }
  if (first?.kind === 'folders' && parts.slice(1).every(isLiteral)) {
    return endTest(literalText(parts.slice(1)), pattern.startsWith('**/'));
  }
  const prefix = literalText(
    parts.slice(
      0,
      parts.findIndex((part) => !isLiteral(part)),
    ),
  );
  const skips = skipsOf(parts);
  return (path, orParent) => path.startsWith(prefix) && fits(parts, skips, path, orParent);
}

/** Two stars and a name. Without a slash between them any name that ends so matches, which is how Docker has always read it. */
function endTest(name: string, isWhole: boolean): PathTest {
  if (!isWhole) return (path, orParent) => path.endsWith(name) || (orParent && path.includes(`${name}/`));
  return (path, orParent) => {
    if (path === name || path.endsWith(`/${name}`)) return true;
    return orParent && (path.startsWith(`${name}/`) || path.includes(`/${name}/`));
  };
}

const isLiteral = (part: PathPart): boolean => part.kind === 'literal';
const literalText = (parts: readonly PathPart[]): string =>
  parts.map((part) => (part.kind === 'literal' ? part.character : '')).join('');

/** Two stars, with the slash behind them, are one part. */
function withFolders(glob: readonly GlobPart[]): PathPart[] {
  const parts: PathPart[] = [];
  for (let at = 0; at < glob.length; at++) {
    const part = glob[at] as GlobPart;
    if (part.kind !== 'star' || glob[at + 1]?.kind !== 'star') {
      parts.push(part);
      continue;
    }
    at++;
    const next = glob[at + 1];
    if (next?.kind === 'literal' && next.character === '/') at++;
    parts.push({ kind: at + 1 < glob.length ? 'folders' : 'rest' });
  }
  return parts;
}

/** Besides a state for each part, and the end, there is one for each part that says: inside the folders of this part. */
const skipsOf = (parts: readonly PathPart[]): boolean[] => [
  ...parts.map(({ kind }) => kind === 'star' || kind === 'folders' || kind === 'rest'),
  false,
  ...parts.map(() => false),
];

/** Follows all ways to match at once: pattern times path in the worst case. */
function fits(parts: readonly PathPart[], skips: readonly boolean[], path: string, orParent: boolean): boolean {
  let [now, next] = [new States(skips), new States(skips)];
  now.add(0);
  for (const character of path) {
    if (orParent && character === '/' && now.has(parts.length)) return true;
    for (const state of now.list) step(parts, state, character, next);
    if (next.list.length === 0) return false;
    [now, next] = [next, now];
    next.clear();
  }
  return now.has(parts.length);
}

function step(parts: readonly PathPart[], state: number, character: string, next: States): void {
  const inside = parts.length + 1;
  const at = state >= inside ? state - inside : state;
  const part = parts[at];
  if (part === undefined) return;
  if (part.kind === 'rest') next.add(at);
  else if (part.kind === 'folders') {
    next.add(inside + at);
    // Only behind a slash the folders may be over.
    if (character === '/') next.add(at + 1);
  } else if (globPartFits(part, character)) next.add(part.kind === 'star' ? at : at + 1);
}
