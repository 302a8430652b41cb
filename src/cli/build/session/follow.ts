import { globMatches } from '../../../base/text/glob.ts';
import { cleanPath } from '../../../build/ignore/clean-path.ts';
import { entryOf, nativePath, pathBytes, pathText } from './folder.ts';

const isPattern = (name: string): boolean => /[*?[\\]/.test(name);
/** A folder with links in circles ends here. */
const mostSteps = 10_000;

/**
 * The paths that are to be sent so that each of `paths`, which may be patterns, can be reached below `root`: itself, and
 * where it leads by links, with these. Links never lead out of the folder. Sorted, none below another one.
 */
export function followLinks(root: string, paths: readonly string[]): string[] {
  const found = new Set<string>();
  const waiting = paths.map((path) => cleanPath(`/${path}`).slice(1));
  for (let steps = 0; steps < mostSteps; steps++) {
    const path = waiting.pop();
    if (path === undefined) break;
    waiting.push(...follow(root, path, found));
  }
  return outermost([...found].sort());
}

/** Notes what one path needs; gives the paths that its first link leads to. */
function follow(root: string, path: string, found: Set<string>): string[] {
  const parts = path.split('/');
  let current = '';
  for (const [at, part] of parts.entries()) {
    current = current === '' ? part : `${current}/${part}`;
    const targets = linksAt(root, current);
    const rest = parts.slice(at + 1);
    if (targets.length === 0 && rest.length > 0) continue;
    if (found.has(current)) return [];
    found.add(current);
    return targets.map((target) => cleanPath(`/${[target, ...rest].join('/')}`).slice(1));
  }
  return [];
}

/** Where the links lead that a path, whose last part may be a pattern, stands for. */
function linksAt(root: string, path: string): string[] {
  const slash = path.lastIndexOf('/');
  const folder = slash < 0 ? '' : path.slice(0, slash);
  const name = path.slice(slash + 1);
  if (!isPattern(name)) return targetsOf(root, folder, name);
  let names: string[];
  try {
    const { readdirSync } = process.getBuiltinModule('node:fs');
    const below = folder === '' ? root : `${root}/${folder}`;
    names = readdirSync(nativePath(pathBytes(below)), { encoding: 'latin1' }).map(pathText);
  } catch {
    return [];
  }
  return names.filter((one) => globMatches(name, one) === true).flatMap((one) => targetsOf(root, folder, one));
}

function targetsOf(root: string, folder: string, name: string): string[] {
  let target: string | undefined;
  try {
    target = entryOf(pathBytes(root), pathBytes(folder === '' ? name : `${folder}/${name}`))?.target;
  } catch {
    // What cannot be looked at is not sent; whoever needs it says that it is missing.
  }
  if (target === undefined || target === '') return [];
  const text = pathText(target);
  return [cleanPath(text.startsWith('/') ? text : `/${folder}/${text}`).slice(1)];
}

const outermost = (sorted: readonly string[]): string[] => {
  const kept = new Set<string>();
  for (const path of sorted) {
    const parts = path.split('/');
    const isInside = parts.some((_part, at) => at > 0 && kept.has(parts.slice(0, at).join('/')));
    if (!isInside) kept.add(path);
  }
  return [...kept];
};

/** Whether something below a folder may match one of the patterns. */
export function patternsReach(patterns: readonly string[]): (folder: string) => boolean {
  const fixed = patterns.map((pattern) => {
    const parts = cleanPath(pattern).split('/');
    const first = parts.findIndex(isPattern);
    return { parts: first < 0 ? parts : parts.slice(0, first), isOpen: first >= 0 };
  });
  return (folder) => {
    const parts = folder.split('/');
    return fixed.some(({ parts: wanted, isOpen }) => {
      const common = Math.min(parts.length, wanted.length);
      for (let at = 0; at < common; at++) if (parts[at] !== wanted[at]) return false;
      return isOpen || wanted.length > parts.length;
    });
  };
}
