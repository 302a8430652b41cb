import { invalid } from '../../base/errors.ts';
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
const longestRemote = 2000;

/** Users and hosts do not begin with a dash, which would make them an option of ssh. */
const remoteForms = [
  /^(?:https?|git):\/\/[A-Za-z0-9[][^\s\p{Cc}]*$/u,
  /^ssh:\/\/(?:[A-Za-z0-9_.][A-Za-z0-9_.-]*@)?(?:[A-Za-z0-9][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?\/[^\s\p{Cc}]+$/u,
  /^[A-Za-z0-9_.][A-Za-z0-9_.-]*@[A-Za-z0-9][A-Za-z0-9._-]*:[^\s\p{Cc}:/-][^\s\p{Cc}:]*$/u,
];

/** Whether a repository is reached by ssh. */
export const isSshRemote = (remote: string): boolean => remote.startsWith('ssh://') || !remote.includes('://');

/** The host of a repository, without user and port. */
export function hostOfRemote(remote: string): string {
  const short = /^[^/@]+@([^/:]+):/.exec(remote);
  if (short !== null) return (short[1] ?? '').toLowerCase();
  return URL.parse(remote)?.hostname.toLowerCase() ?? '';
}

/** @throws EngineError `invalid` for what would mean something else to git */
export function checkGitWish({ remote, ref, folder, checksum }: GitWish): void {
  if (remote.length > longestRemote || !remoteForms.some((form) => form.test(remote))) {
    throw invalid(
      `invalid git address ${goQuote(remote)}: expected https://, http://, git://, ssh:// or user@host:path`,
    );
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
  // `user@host:path` is no URL, and its path is none from the root.
  const short = /^([^/@]+@[^/:]+:)(.*)$/s.exec(remote);
  if (short !== null) {
    const [, front = '', path = ''] = short;
    return front + new URL(url, `x://x/${path}/`).pathname.replaceAll(/^\/|\/$/g, '');
  }
  const base = remote.endsWith('/') ? remote : `${remote}/`;
  return URL.canParse(url, base) ? new URL(url, base).href.replace(/\/$/, '') : url;
}
