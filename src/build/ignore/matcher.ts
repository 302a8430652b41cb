import { invalid } from '../../base/errors.ts';
import { trimSpaces } from '../spaces.ts';
import { compilePattern, type PathTest } from './_pattern.ts';
import { cleanPath } from './clean-path.ts';

interface Rule {
  readonly text: string;
  /** `!`: what matches is taken back in. */
  readonly isException: boolean;
  readonly test: PathTest;
}

/** What is known of a folder, for those inside it: which of the patterns match it. */
export type FolderMatches = readonly boolean[];

/**
 * Patterns of a .dockerignore or of `--exclude`, in their order: the last one that matches a path, or a folder that the
 * path is in, decides. Paths are relative to the context's root, with `/`, clean.
 */
export class PathMatcher {
  readonly #rules: readonly Rule[];

  /** @throws EngineError `invalid` for a malformed pattern */
  constructor(patterns: readonly string[]) {
    this.#rules = patterns.flatMap((pattern) => ruleOf(trimSpaces(pattern)) ?? []);
  }

  get isEmpty(): boolean {
    return this.#rules.length === 0;
  }

  /** There are patterns with `!`: a folder that is left out may have files that are not. */
  get hasExceptions(): boolean {
    return this.#rules.some(({ isException }) => isException);
  }

  /** Even the context's root is left out. */
  get leavesOutAll(): boolean {
    return this.#rules.some(({ text, isException }) => !isException && ['*', '**', '**/*'].includes(text));
  }

  /** Whether a path or a folder that it is in matches. */
  matches(path: string): boolean {
    let isMatch = false;
    for (const { isException, test } of this.#rules) {
      if (isException === isMatch && test(path, true)) isMatch = !isException;
    }
    return isMatch;
  }

  /**
   * The same for a walk from folder to folder, which decides what is in a context: what was found for the folder that the
   * path is in need not be found again. As Docker does it, an exception counts for what is inside a folder only when the
   * folder itself was left out.
   * @param parent what this method told of that folder; nothing in the root
   */
  enter(path: string, parent?: FolderMatches): { readonly isMatch: boolean; readonly matches: FolderMatches } {
    let isMatch = false;
    const matches = this.#rules.map(({ isException, test }, index) => {
      const isFound = parent?.[index] === true || (isException === isMatch && test(path, false));
      if (isFound) isMatch = !isException;
      return isFound;
    });
    return { isMatch, matches };
  }
}

function ruleOf(written: string): Rule | undefined {
  if (written === '') return undefined;
  const cleaned = cleanPath(written);
  const isException = cleaned.startsWith('!');
  const text = isException ? cleaned.slice(1) : cleaned;
  if (text === '') throw invalid('illegal exclusion pattern: "!"');
  const test = compilePattern(text);
  if (test === undefined) {
    throw invalid(
      `syntax error in pattern ${JSON.stringify(written)}: a class needs [ and ], a \\ something behind it`,
    );
  }
  return { text, isException, test };
}
