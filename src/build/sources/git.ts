import { chown, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EngineError, invalid, messageOf } from '../../base/errors.ts';
import { type ByteStream, readAll } from '../../base/stream.ts';
import { goQuote } from '../../base/text/quote.ts';
import type { ConfinedPrograms } from '../../spec/contract/build.ts';
import type { Contexts } from '../context/contexts.ts';
import { contextFromTar } from '../context/from-tar.ts';
import { type ContextTree, joinTrees, releaseTree } from '../context/tree.ts';
import { cleanPath } from '../ignore/clean-path.ts';
import type { Agents, Secrets } from '../solve/scope.ts';
import { checkGitWish, type GitWish, hostOfRemote, isSshRemote, submoduleRemote } from './git-check.ts';
import { openSsh, type SshAccess } from './git-ssh.ts';

/** A commit of a repository, and what of it is wanted. */
export interface GitRequest extends GitWish {
  readonly keepGitDir: boolean;
  readonly submodules: boolean;
  /** The header `Authorization` for the repository's host: from the client's secrets. */
  readonly authorization: string | undefined;
  readonly agents: Agents;
  readonly secrets: Secrets;
  readonly progress: (line: string) => void;
  /** Hears which commit it is. */
  readonly found?: (commit: string) => void;
  readonly signal: AbortSignal;
}

const nobody = 65534;
/** Where programs see their folder (`ConfinedRequest`). */
const seenAt = '/mnt';
/** What git says at its end is a commit, a list of files: never long. */
const mostText = 16 << 20;
const mostSubmodules = 100;
const deepest = 5;

/**
 * Nothing of the host's or a user's configuration counts, nobody is asked for anything, no hook or filter runs, and only
 * these protocols are spoken, whatever a repository names.
 */
const environment: Readonly<Record<string, string>> = {
  HOME: '/nonexistent',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_ATTR_NOSYSTEM: '1',
  GIT_TERMINAL_PROMPT: '0',
  GIT_ASKPASS: '/bin/false',
  SSH_ASKPASS: '/bin/false',
  GIT_SSH_COMMAND: '/bin/false',
  GIT_ALLOW_PROTOCOL: 'http:https:git',
  GIT_LFS_SKIP_SMUDGE: '1',
  GIT_DIR: '.git',
};

const settings = [
  'core.hooksPath=/dev/null',
  'core.fsmonitor=false',
  'credential.helper=',
  'gc.auto=0',
  'maintenance.auto=false',
  'transfer.fsckObjects=true',
  'fetch.recurseSubmodules=false',
  'http.lowSpeedLimit=1',
  'http.lowSpeedTime=60',
  'tar.umask=0022',
].flatMap((setting) => ['-c', setting]);

/** All that a commit has, as it has it. */
const attributes = '* -export-ignore -export-subst -text -ident -filter -working-tree-encoding\n';

/** One repository while it is fetched: a folder of nobody, in which git runs without rights. */
interface Repository {
  readonly directory: string;
  readonly request: GitRequest;
  readonly run: (program: string, ...args: readonly string[]) => ByteStream;
  readonly text: (...args: readonly string[]) => Promise<string>;
  readonly ssh: SshAccess | undefined;
}

interface GitParts {
  readonly contexts: Contexts;
  readonly programs: ConfinedPrograms;
  /** Variables that name the engine's proxies. */
  readonly proxies: Readonly<Record<string, string>>;
  /** Of this alone. */
  readonly directory: string;
}

/** Repositories, fetched by the host's git. */
export class GitRepositories {
  readonly #parts: GitParts;
  #serial = 0;

  private constructor(parts: GitParts) {
    this.#parts = parts;
  }

  /** What an earlier engine left in the directory goes. */
  static async open(parts: GitParts): Promise<GitRepositories> {
    const { directory } = parts;
    await rm(directory, { recursive: true, force: true });
    await mkdir(directory, { recursive: true, mode: 0o700 });
    return new GitRepositories(parts);
  }

  /**
   * The files of a commit, which the caller holds; those of a commit that an earlier build had are not fetched again.
   * @throws EngineError: invalid for what means something else to git, not-found, unavailable, cancelled
   */
  async fetch(request: GitRequest, depth = 0): Promise<ContextTree> {
    checkGitWish(request);
    const directory = join(this.#parts.directory, String(this.#serial++));
    let repository: Repository | undefined;
    try {
      repository = await this.#open(directory, request);
      const found = await findCommit(repository);
      request.found?.(found.commit);
      const key = `git ${JSON.stringify([request.remote, found, request.folder, request.keepGitDir, request.submodules])}`;
      const before = this.#parts.contexts.latest(key);
      if (before !== undefined) return before;
      request.progress(`fetching ${found.name} ${found.commit}`.trim());
      const commit = await fetchCommit(repository, found);
      for (const line of (await repository.ssh?.shownKeys()) ?? []) request.progress(line);
      const tree = await this.#files(repository, commit, depth);
      await this.#parts.contexts.keep(key, tree);
      return tree;
    } catch (error) {
      throw failureOf(request, error);
    } finally {
      await repository?.ssh?.close();
      await rm(directory, { recursive: true, force: true });
    }
  }

  async #open(directory: string, request: GitRequest): Promise<Repository> {
    // Written before anything of a stranger is there.
    await mkdir(join(directory, 'template/info'), { recursive: true, mode: 0o755 });
    await writeFile(join(directory, 'template/info/attributes'), attributes);
    await chown(directory, nobody, nobody);
    const { signal, agents, secrets } = request;
    const ssh = isSshRemote(request.remote)
      ? await openSsh({ directory, seenAt, user: nobody, agents, secrets, signal })
      : undefined;
    const env = { ...environment, ...this.#parts.proxies, ...authorizationOf(request), ...ssh?.env };
    if (ssh !== undefined) env['GIT_ALLOW_PROTOCOL'] = 'ssh';
    const run = (program: string, ...args: readonly string[]): ByteStream =>
      this.#parts.programs({ program, args, directory, env, signal });
    const text = async (...args: readonly string[]): Promise<string> => {
      const bytes = await readAll(run('git', ...settings, ...args), mostText, 'what git says');
      return Buffer.from(bytes).toString('utf8').trim();
    };
    await text('init', '--quiet', '--template=template', '.');
    return { directory, request, run, text, ssh };
  }

  async #files(repository: Repository, commit: string, depth: number): Promise<ContextTree> {
    const { request, run, text } = repository;
    const folder = cleanPath(`/${request.folder}`).slice(1);
    const parts: ContextTree[] = [];
    try {
      const wanted = folder === '' ? commit : `${commit}:${folder}`;
      const archive = run('git', ...settings, 'archive', '--format=tar', wanted);
      parts.push(await contextFromTar(this.#parts.contexts, archive));
      if (request.submodules) parts.push(...(await this.#submodules(repository, commit, folder, depth)));
      if (request.keepGitDir && folder === '') {
        await text('update-ref', '--no-deref', 'HEAD', commit);
        await text('read-tree', 'HEAD');
        await text('config', 'remote.origin.url', request.remote);
        const packed = run('tar', '--exclude=.git/info/attributes', '--exclude=.git/FETCH_HEAD', '-cf', '-', '.git');
        parts.push(await contextFromTar(this.#parts.contexts, packed));
      }
      return joinTrees(parts.map((tree) => ({ tree, at: '' })));
    } finally {
      for (const part of parts) await releaseTree(part);
    }
  }

  async #submodules(
    { request, text }: Repository,
    commit: string,
    folder: string,
    depth: number,
  ): Promise<ContextTree[]> {
    const links = linksIn(await text('ls-tree', '-r', '-z', '--full-tree', commit));
    if (links.size === 0) return [];
    if (depth >= deepest || links.size > mostSubmodules) {
      throw invalid(`the repository has more than ${mostSubmodules} submodules, or they lie ${deepest} deep`);
    }
    const named = await text('config', '-z', '--blob', `${commit}:.gitmodules`, '--get-regexp', '^submodule\\.').catch(
      () => '',
    );
    const trees: ContextTree[] = [];
    for (const [path, url] of submodulesIn(named)) {
      const pinned = links.get(path);
      const prefix = folder === '' ? '' : `${folder}/`;
      if (pinned === undefined || !path.startsWith(prefix)) continue;
      const remote = submoduleRemote(request.remote, url);
      const more = { ref: pinned, folder: '', checksum: '', keepGitDir: false, found: () => undefined };
      // A login, or an agent, is for the host that it was given for.
      const isSameOrigin = URL.parse(remote)?.origin === URL.parse(request.remote)?.origin;
      const authorization = isSameOrigin && !isSshRemote(remote) ? request.authorization : undefined;
      if (isSshRemote(remote) && hostOfRemote(remote) !== hostOfRemote(request.remote)) {
        throw invalid(
          `the submodule ${goQuote(path)} is at another host than its repository: no agent is shown to ${goQuote(remote)}`,
        );
      }
      const tree = await this.fetch({ ...request, ...more, remote, authorization }, depth + 1);
      trees.push(joinTrees([{ tree, at: path.slice(prefix.length) }]));
      await releaseTree(tree);
    }
    return trees;
  }
}

function authorizationOf({ remote, authorization }: GitRequest): Record<string, string> {
  if (authorization === undefined || !URL.canParse(remote)) return {};
  const key = `http.${new URL(remote).origin}/.extraHeader`;
  return { GIT_CONFIG_COUNT: '1', GIT_CONFIG_KEY_0: key, GIT_CONFIG_VALUE_0: `Authorization: ${authorization}` };
}

interface Found {
  /** The whole name of the ref; empty where it is a commit itself. */
  readonly name: string;
  /** Empty where only the server knows it. */
  readonly commit: string;
}

const isCommit = (text: string): boolean => /^[0-9a-f]{40}([0-9a-f]{24})?$/.test(text);

/** What a ref means: a name as it is, a tag, a branch; a commit. @throws not-found */
async function findCommit({ request, text }: Repository): Promise<Found> {
  const { remote, ref } = request;
  if (isCommit(ref)) return { name: '', commit: ref };
  const wanted = ref === '' ? 'HEAD' : ref;
  const lines = (await text('ls-remote', '--', remote, wanted, `${wanted}^{}`)).split('\n');
  const refs = new Map(
    lines.map((line): [string, string] => {
      const [commit = '', name = ''] = line.split('\t');
      return [name, commit];
    }),
  );
  for (const name of [wanted, `refs/${wanted}`, `refs/tags/${wanted}`, `refs/heads/${wanted}`]) {
    const commit = refs.get(`${name}^{}`) ?? refs.get(name);
    if (commit !== undefined && isCommit(commit)) return { name, commit };
  }
  throw new EngineError('not-found', `repository does not contain ref ${ref || 'HEAD'}`);
}

/** Fetches it alone where the server lets us, else everything. @throws invalid where it is not what the build says */
async function fetchCommit({ request, text }: Repository, { name, commit }: Found): Promise<string> {
  const { remote, checksum } = request;
  if (checksum !== '' && !commit.startsWith(checksum)) {
    throw invalid(`expected checksum to match ${checksum}, got ${commit}`);
  }
  const wanted = name === '' ? commit : name;
  try {
    await text('fetch', '--quiet', '--depth=1', '--no-tags', '--', remote, wanted);
  } catch (error) {
    if (request.signal.aborted) throw error;
    // Old servers give neither commits by their names nor a part of the history.
    await text('fetch', '--quiet', '--tags', '--', remote, '+refs/heads/*:refs/remotes/origin/*');
  }
  return text('rev-parse', '--verify', '--quiet', '--end-of-options', `${commit}^{commit}`);
}

/** The commits that submodules are to be at, by their paths. */
function linksIn(listing: string): Map<string, string> {
  const links = new Map<string, string>();
  for (const line of listing.split('\0')) {
    const [head = '', path = ''] = line.split('\t');
    const [mode, , commit = ''] = head.split(' ');
    if (mode === '160000' && isCommit(commit)) links.set(path, commit);
  }
  return links;
}

/** Paths and addresses of a .gitmodules, as `git config -z` lists them. */
function submodulesIn(listing: string): [path: string, url: string][] {
  const modules = new Map<string, { path?: string; url?: string }>();
  for (const item of listing.split('\0')) {
    const newline = item.indexOf('\n');
    const key = newline < 0 ? item : item.slice(0, newline);
    const dot = key.lastIndexOf('.');
    const field = key.slice(dot + 1);
    if (field !== 'path' && field !== 'url') continue;
    const name = key.slice(0, dot);
    modules.set(name, { ...modules.get(name), [field]: item.slice(newline + 1) });
  }
  return [...modules.values()].flatMap(({ path, url }): [string, string][] =>
    path === undefined || url === undefined ? [] : [[cleanPath(`/${path}`).slice(1), url]],
  );
}

function failureOf({ remote }: GitRequest, error: unknown): unknown {
  if (!(error instanceof EngineError) || error.code !== 'internal') return error;
  // Git's own words; a login that stands in an address is nobody's business.
  const words = messageOf(error).replaceAll(/\/\/[^/@\s]*@/g, '//');
  const shown = goQuote(remote.replace(/\/\/[^/@]*@/, '//'));
  return new EngineError('unavailable', `failed to fetch remote ${shown}: ${words}`, { cause: error });
}
