import { messageOf } from '../../base/errors.ts';
import { goQuote } from '../../base/text/quote.ts';
import type { AddInstruction, CopyInstruction } from '../dockerfile/copy.ts';
import { DockerfileError } from '../dockerfile/error.ts';
import type { Word } from '../dockerfile/source.ts';
import type { About, CopyAction } from '../graph/operation.ts';
import { cleanPath } from '../ignore/clean-path.ts';
import { about, expanded, find, type Scope, shown, stepTitle, text } from './_scope.ts';
import { absolutePath } from './_settings.ts';
import { note } from './_state.ts';
import { checksumForms, isChecksum } from './checksum.ts';
import { parseFileMode } from './file-mode.ts';
import { type GitSource, parseGitSource } from './git-source.ts';

type Transfer = AddInstruction | CopyInstruction;

/** A copy being put together: its inputs besides the file system that is changed, and what each gives. */
interface Draft {
  readonly scope: Scope;
  readonly instruction: Transfer;
  /** Operations, each with its place among the inputs. */
  readonly sources: Map<number, number>;
  readonly actions: CopyAction[];
  readonly shared: Pick<CopyAction, 'destination' | 'exclude' | 'owner' | 'mode'>;
  readonly checksum: string;
  readonly about: About;
}

/** @param from the place of `--from` in the graph; undefined for the context */
export function applyCopy(scope: Scope, instruction: Transfer, from: number | undefined): void {
  const { state, graph } = scope;
  const chown = instruction.chown === undefined ? '' : text(scope, instruction, instruction.chown);
  const chmod = instruction.chmod === undefined ? '' : text(scope, instruction, instruction.chmod);
  const sources = instruction.sources.map((word) => ({ text: text(scope, instruction, word), range: word.range }));
  const destination = text(scope, instruction, instruction.destination);
  const title = shown(scope, instruction);
  const firstTitle = about(scope, title, instruction.range);
  const draft: Draft = {
    scope,
    instruction,
    sources: new Map(),
    actions: [],
    shared: sharedOf(scope, instruction, { chown, chmod, destination }),
    checksum: checksumOf(scope, instruction, sources),
    about: firstTitle,
  };
  for (const source of sources) addSource(draft, source, from);
  for (const file of instruction.files) addFile(draft, file);
  const { actions } = draft;
  if (instruction.link && chmod === '') {
    // The files do not depend on what is below them: a layer of its own, which stays when the base changes.
    const empty = graph.add({ kind: 'scratch' }, [], { title: 'scratch', range: undefined, noCache: false });
    const files = graph.add({ kind: 'copy', actions }, [empty, ...draft.sources.keys()], firstTitle);
    scope.counter.done--;
    const linked = { ...firstTitle, title: stepTitle(scope.counter, `LINK ${title}`, scope.state.variables) };
    state.root = graph.add({ kind: 'merge' }, [state.root, files], linked);
  } else state.root = graph.add({ kind: 'copy', actions }, [state.root, ...draft.sources.keys()], firstTitle);
  note(scope, historyOf(instruction, { chown, chmod, destination, sources }), true);
}

interface Expanded {
  readonly chown: string;
  readonly chmod: string;
  readonly destination: string;
}

function historyOf(instruction: Transfer, parts: Expanded & { readonly sources: readonly Word[] }): string {
  const { chown, chmod, destination, sources } = parts;
  const words = [
    instruction.kind.toUpperCase(),
    ...(instruction.kind === 'copy' && instruction.parents ? ['--parents'] : []),
    ...(chown === '' ? [] : [`--chown=${chown}`]),
    ...(chmod === '' ? [] : [`--chmod=${chmod}`]),
    ...sources.map(({ text: source }) => source),
    ...instruction.files.map(({ name }) => `<<${name}`),
    destination,
  ];
  return `${words.join(' ')} # buildkit`;
}

function sharedOf(scope: Scope, instruction: Transfer, { chown, chmod, destination }: Expanded): Draft['shared'] {
  const exclude = instruction.exclude.map(({ text: pattern }) => pattern);
  return {
    destination: destinationPath(scope, destination),
    ...(exclude.length === 0 ? {} : { exclude }),
    ...(chown === '' ? {} : { owner: chown }),
    ...(chmod === '' ? {} : { mode: checked(instruction.chmod, () => parseFileMode(chmod)) }),
  };
}

function checked<T>(word: Word | undefined, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (word === undefined) throw error;
    throw new DockerfileError(messageOf(error), word.range);
  }
}

/** A closing slash, or `/.`, says that the destination is a folder: it stays. */
function destinationPath(scope: Scope, written: string): string {
  const path = written === '' || written === '.' ? './' : written;
  const clean = absolutePath(scope, path);
  if (path.endsWith('/')) return clean === '/' ? clean : `${clean}/`;
  if (path.endsWith('/.')) return clean === '/' ? '/.' : `${clean}/.`;
  return clean;
}

function checksumOf(scope: Scope, instruction: Transfer, sources: readonly Word[]): string {
  const word = instruction.kind === 'add' ? instruction.checksum : undefined;
  if (word === undefined) return '';
  const checksum = text(scope, instruction, word);
  if (checksum === '') return '';
  if (sources.length !== 1) throw new DockerfileError("checksum can't be specified for multiple sources", word.range);
  const [{ text: source } = { text: '' }] = sources;
  if (!isHttp(source) && checked(sources[0], () => parseGitSource(source)) === undefined) {
    throw new DockerfileError('checksum requires HTTP(S) or Git sources', word.range);
  }
  return checksum;
}

const isHttp = (source: string): boolean => source.startsWith('http://') || source.startsWith('https://');

function addSource(draft: Draft, source: Word, from: number | undefined): void {
  const { instruction } = draft;
  const git = checked(source, () => parseGitSource(source.text));
  if (git !== undefined || isHttp(source.text)) {
    if (instruction.kind === 'copy') {
      const what = git === undefined ? 'a URL' : 'a git ref';
      throw new DockerfileError(`source can't be ${what} for COPY`, source.range, { expected: 'a path, or ADD' });
    }
    return git === undefined ? addHttp(draft, source) : addGit(draft, source, git, instruction);
  }
  addPath(draft, source, from);
}

function give(draft: Draft, input: number, action: Omit<CopyAction, 'from' | 'destination'>): void {
  const from = draft.sources.get(input) ?? draft.sources.size + 1;
  draft.sources.set(input, from);
  draft.actions.push({ from, ...action, ...draft.shared });
}

function addGit(draft: Draft, { range }: Word, git: GitSource, { keepGitDir }: AddInstruction): void {
  if (keepGitDir !== undefined && git.keepGitDir !== undefined && keepGitDir !== git.keepGitDir) {
    throw new DockerfileError('inconsistent keep-git-dir configuration', range);
  }
  if (draft.checksum !== '' && git.checksum !== '' && draft.checksum !== git.checksum) {
    const problem = `checksum mismatch ${goQuote(draft.checksum)} != ${goQuote(git.checksum)}`;
    throw new DockerfileError(problem, range);
  }
  const checksum = draft.checksum || git.checksum;
  const definition = {
    kind: 'git',
    remote: git.remote,
    ...(git.ref === '' ? {} : { ref: git.ref }),
    ...(git.folder === '' ? {} : { folder: git.folder }),
    ...(checksum === '' ? {} : { checksum }),
    ...((git.keepGitDir ?? keepGitDir) === true ? { keepGitDir: true } : {}),
    ...(git.submodules === false ? { skipSubmodules: true } : {}),
  } as const;
  const input = draft.scope.graph.add(definition, [], draft.about);
  give(draft, input, { source: '/', isPattern: false, contentsOnly: true, unpack: false });
}

function addHttp(draft: Draft, source: Word): void {
  const { checksum, scope, instruction } = draft;
  if (checksum !== '' && !isChecksum(checksum)) {
    const place = instruction.kind === 'add' ? instruction.checksum : undefined;
    throw new DockerfileError(`invalid checksum digest format: ${goQuote(checksum)}`, (place ?? source).range, {
      expected: checksumForms,
    });
  }
  const filename = filenameOf(source.text);
  const definition = { kind: 'http', url: source.text, filename, ...(checksum === '' ? {} : { checksum }) } as const;
  const input = scope.graph.add(definition, [], draft.about);
  const unpack = instruction.kind === 'add' && instruction.unpack === true;
  give(draft, input, { source: `/${filename}`, isPattern: false, contentsOnly: false, unpack });
}

/** The last part of an address's path. */
function filenameOf(url: string): string {
  try {
    const name = new URL(url).pathname.split('/').findLast((part) => part !== '') ?? '';
    const decoded = decodeURIComponent(name);
    if (decoded !== '' && decoded !== '.' && decoded !== '..' && !decoded.includes('/') && !decoded.includes('\0')) {
      return decoded;
    }
  } catch {
    // No address that a name could be taken from.
  }
  return '__unnamed__';
}

function addPath(draft: Draft, source: Word, from: number | undefined): void {
  const { scope, instruction } = draft;
  if (from === undefined) reportIgnored(draft, source.text);
  const input = from ?? scope.context();
  const unpack = instruction.kind === 'add' && (instruction.unpack ?? true);
  const parents = instruction.kind === 'copy' && instruction.parents ? parentsOf(source.text) : undefined;
  const path = rooted(parents?.root ?? source.text);
  scope.use(input, path);
  give(draft, input, {
    source: path,
    isPattern: hasWildcards(path),
    contentsOnly: true,
    unpack,
    ...(parents === undefined ? {} : { include: [parents.pattern] }),
    ...(parents === undefined || hasWildcards(parents.root) || hasWildcards(parents.pattern)
      ? {}
      : { required: [cleanPath(`${path}/${parents.pattern}`)] }),
  });
}

const rooted = (path: string): string => cleanPath(`/${path}`);

/** `--parents`: what is behind `/./` keeps its folders, without that everything. */
function parentsOf(source: string): { readonly root: string; readonly pattern: string } {
  const pivot = source.indexOf('/./');
  const [root, pattern] = pivot < 0 ? ['/', source] : [source.slice(0, pivot), source.slice(pivot + 3)];
  return { root, pattern: rooted(pattern).slice(1) };
}

/** A shell pattern, not only a path. */
export function hasWildcards(path: string): boolean {
  for (let at = 0; at < path.length; at++) {
    if ('*?['.includes(path.charAt(at))) return true;
    if (path[at] === '\\') at++;
  }
  return false;
}

/** With exceptions among the patterns nothing can be said: a folder may be left out and not all that is in it. */
function reportIgnored({ scope, instruction }: Draft, source: string): void {
  const { ignored } = scope;
  if (ignored === undefined || ignored.hasExceptions) return;
  const path = cleanPath(source);
  if ((path === '.' || path === '/') && !ignored.leavesOutAll) return;
  if (!ignored.matches(path)) return;
  const verb = instruction.kind === 'add' ? 'Add' : 'Copy';
  const detail = `Attempting to ${verb} file ${goQuote(path)} that is excluded by .dockerignore`;
  find(scope, instruction, 'CopyIgnoredFile', detail);
}

function addFile(draft: Draft, file: Transfer['files'][number]): void {
  const { scope, instruction } = draft;
  const content = file.expands
    ? expanded(scope, instruction, { text: file.content, range: file.range }, { escape: '\\', ignoresQuotes: true })
        .text
    : file.content;
  const definition = { kind: 'inline', name: file.name, content, mode: 0o644 } as const;
  const input = scope.graph.add(definition, [], { title: 'inline document', range: file.range, noCache: false });
  give(draft, input, { source: rooted(file.name), isPattern: false, contentsOnly: false, unpack: false });
}
