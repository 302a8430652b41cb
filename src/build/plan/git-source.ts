import { invalid } from '../../base/errors.ts';
import { goQuote } from '../../base/text/quote.ts';

/** A git repository that ADD or a context names. Empty texts were not given. */
export interface GitSource {
  readonly remote: string;
  readonly ref: string;
  readonly folder: string;
  /** A commit that the ref must be. */
  readonly checksum: string;
  readonly keepGitDir: boolean | undefined;
  readonly submodules: boolean | undefined;
}

type Draft = { -readonly [Key in keyof GitSource]: GitSource[Key] };

/**
 * Reads the address of a repository: `https://host/path.git`, `git://`, `ssh://`, `user@host:path`, with `#ref:folder` or
 * `?ref=`, `tag=`, `branch=`, `subdir=`, `checksum=`, `keep-git-dir=`, `submodules=` behind it. Undefined for anything else.
 * @throws EngineError `invalid` for a query that is not understood
 */
export function parseGitSource(text: string): GitSource | undefined {
  const [beforeFragment, fragment] = cut(text, '#');
  const [remote, query] = cut(beforeFragment, '?');
  if (!isRepository(remote)) return undefined;
  const [ref, folder] = cut(fragment, ':');
  const draft: Draft = { remote, ref, folder, checksum: '', keepGitDir: undefined, submodules: undefined };
  if (query !== '') readQuery(draft, query);
  return draft;
}

function cut(text: string, at: string): [before: string, behind: string] {
  const place = text.indexOf(at);
  return place < 0 ? [text, ''] : [text.slice(0, place), text.slice(place + 1)];
}

function isRepository(remote: string): boolean {
  if (/^https?:\/\/[^/]+\/./.test(remote)) return remote.endsWith('.git');
  if (/^(git|ssh):\/\/[^/]+\/?./.test(remote)) return true;
  return /^[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:[^/:][^:]*$/.test(remote);
}

function readQuery(draft: Draft, query: string): void {
  const parameters = new URLSearchParams(query);
  for (const name of parameters.keys()) {
    const [value = '', ...more] = parameters.getAll(name);
    if (more.length > 0) throw invalid(`query ${goQuote(name)} has multiple values`);
    const isSwitch = name === 'keep-git-dir' || name === 'submodules';
    if (value === '' && !isSwitch) throw invalid(`query ${goQuote(name)} has no value`);
    readParameter(draft, name, value);
  }
}

function readParameter(draft: Draft, name: string, value: string): void {
  switch (name) {
    case 'ref':
      return setOnce(draft, 'ref', value, 'ref');
    case 'tag':
      return setOnce(draft, 'ref', withPrefix(value, 'refs/tags/'), 'ref');
    case 'branch':
      return setOnce(draft, 'ref', withPrefix(value, 'refs/heads/'), 'ref');
    case 'subdir':
      return setOnce(draft, 'folder', value, 'subdir');
    case 'checksum':
    case 'commit':
      draft.checksum = value;
      return;
    case 'keep-git-dir':
      draft.keepGitDir = truth(name, value);
      return;
    case 'submodules':
      draft.submodules = truth(name, value);
      return;
    default:
      throw invalid(`unexpected query ${goQuote(name)}`);
  }
}

const withPrefix = (value: string, prefix: string): string => (value.startsWith(prefix) ? value : prefix + value);

function setOnce(draft: Draft, key: 'ref' | 'folder', value: string, name: string): void {
  if (draft[key] !== '' && draft[key] !== value) {
    throw invalid(`${name} conflicts: ${goQuote(draft[key])} vs ${goQuote(value)}`);
  }
  draft[key] = value;
}

function truth(name: string, value: string): boolean {
  if (['', '1', 't', 'T', 'true', 'TRUE', 'True'].includes(value)) return true;
  if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(value)) return false;
  throw invalid(`invalid ${name} value: ${goQuote(value)}`);
}
