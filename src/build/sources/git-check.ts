import { EngineError, invalid } from '../../base/errors.ts';
import { goQuote } from '../../base/text/quote.ts';

/** What a repository is asked for; each text is checked before git sees it. */
export interface GitWish {
  readonly remote: string;
  /** Empty for what the repository says itself. */
  readonly ref: string;
  /** Below the repository's root; empty for all. */
  readonly folder: string;
  /** Of the commit, or the beginning of it; empty for any. */
  readonly checksum: string;
}

const longestRef = 250;

/** @throws EngineError `invalid` for what would mean something else to git, not-implemented for ssh */
export function checkGitWish({ remote, ref, folder, checksum }: GitWish): void {
  if (remote.startsWith('ssh://') || /^[^/]+@[^/]+:/.test(remote)) {
    throw new EngineError(
      'not-implemented',
      `git over ssh (${remote}) is not implemented by this engine yet: use https`,
    );
  }
  if (!/^(https?|git):\/\/[A-Za-z0-9[][^\s\p{Cc}]*$/u.test(remote) || remote.length > 2000) {
    throw invalid(`invalid git address ${goQuote(remote)}: expected https://, http:// or git://`);
  }
  if (ref !== '' && !isRef(ref)) throw invalid(`invalid git ref ${goQuote(ref)}: expected a branch, a tag or a commit`);
  if (checksum !== '' && !/^[0-9a-f]{7,64}$/.test(checksum)) {
    throw invalid(`invalid checksum ${goQuote(checksum)} for Git source, expected hex commit hash`);
  }
  const parts = folder.split('/');
  if (parts.includes('..') || /[\p{Cc}]/u.test(folder)) {
    throw invalid(`invalid folder ${goQuote(folder)} of a git repository: it leads out of it`);
  }
}

/** The rules of git check-ref-format(1), and no option. */
function isRef(ref: string): boolean {
  if (ref.length > longestRef || ref.startsWith('-') || ref.includes('..') || ref.includes('@{')) return false;
  if (/[\s~^:?*[\\\p{Cc}]/u.test(ref) || ref.endsWith('.') || ref.endsWith('/') || ref.startsWith('/')) return false;
  return ref.split('/').every((part) => part !== '' && !part.startsWith('.') && !part.endsWith('.lock'));
}

/** Where a submodule is: its address may be relative to that of the repository that names it. */
export function submoduleRemote(remote: string, url: string): string {
  if (!url.startsWith('./') && !url.startsWith('../')) return url;
  const base = remote.endsWith('/') ? remote : `${remote}/`;
  return URL.canParse(url, base) ? new URL(url, base).href.replace(/\/$/, '') : url;
}
