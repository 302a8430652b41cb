import type { SourceDefinition } from '../graph/operation.ts';
import type { ContextTree } from '../context/tree.ts';
import { EngineError, invalid, messageOf } from '../../base/errors.ts';
import type { BuildJob } from '../control/job.ts';
import { gitSource, httpSource, type SourceLock } from '../lock/lock.ts';
import { shownSource } from '../lock/lock-file.ts';
import type { Agents, Secrets } from '../solve/scope.ts';
import { type GitRepositories } from './git.ts';
import { oneLine, shownUrl } from './download.ts';
import { DigestMismatch, type HttpFiles, sha256In } from './http.ts';

/** What fetches files that lie elsewhere. */
export interface Sources {
  readonly http: HttpFiles;
  readonly git: GitRepositories;
}

export type RemoteDefinition = Extract<SourceDefinition, { kind: 'http' | 'git' }>;

export interface FetchOptions {
  readonly secrets: Secrets;
  readonly agents: Agents;
  readonly lock: SourceLock;
  readonly signal: AbortSignal;
}

/** Fetches what ADD names, as a step of the build. The tree belongs to the caller. @throws EngineError */
export function fetchSource(
  { http, git }: Sources,
  job: BuildJob,
  { secrets, agents, lock, signal }: FetchOptions,
  definition: RemoteDefinition,
): Promise<ContextTree> {
  if (definition.kind === 'http') {
    const { url } = definition;
    return job.step({ name: shownUrl(url) }, async (output) => {
      const line = output.line('transferring:');
      const progress = (bytes: number, total: number): void => line.progress(bytes, total);
      const tree = await lockedFile(lock, definition, (checksum) =>
        http.fetch({ ...definition, ...(checksum === undefined ? {} : { checksum }), secrets, progress, signal }),
      );
      line.done();
      return tree;
    });
  }
  const { remote, ref = '', folder = '', checksum = '', keepGitDir = false, skipSubmodules = false } = definition;
  const name = `${shownUrl(remote)}${ref === '' ? '' : `#${ref}`}`;
  return job.step({ name }, async (output) => {
    const authorization = await gitAuthorization(secrets, remote, signal);
    const progress = (line: string): void => output.log(1, Buffer.from(`${line}\n`));
    const wish = { remote, folder, checksum, keepGitDir, submodules: !skipSubmodules };
    const source = gitSource(remote, ref);
    const locked = lock.find(source);
    const found = (commit: string): void => lock.note(source, commit);
    try {
      return await git.fetch({
        ...wish,
        ref: locked ?? ref,
        authorization,
        agents,
        secrets,
        found,
        progress,
        signal,
      });
    } catch (error) {
      if (locked === undefined || signal.aborted || !(error instanceof EngineError)) throw error;
      const problem = `${shownSource(source)} cannot be had as the commit ${locked} that the lock names`;
      throw new EngineError(error.code, `${problem}: ${messageOf(error)}`, { cause: error });
    }
  });
}

/** A file as the lock and the Dockerfile want it. @throws invalid where it, or what both say, is not the same */
async function lockedFile(
  lock: SourceLock,
  { url, checksum }: Extract<RemoteDefinition, { kind: 'http' }>,
  fetch: (checksum: string | undefined) => Promise<ContextTree>,
): Promise<ContextTree> {
  const source = httpSource(url);
  const locked = lock.find(source);
  if (locked !== undefined && checksum?.startsWith('sha256:') === true && locked !== checksum) {
    throw invalid(`${shownSource(source)} is ${locked} in the lock, and --checksum=${checksum} in the Dockerfile`);
  }
  try {
    const tree = await fetch(checksum ?? locked);
    lock.note(source, sha256In(tree));
    return tree;
  } catch (error) {
    if (!(error instanceof DigestMismatch) || locked === undefined) throw error;
    throw lock.mismatch(source, locked, error.found);
  }
}

/** A login for a repository's host among the client's secrets, as BuildKit's clients call them. */
async function gitAuthorization(secrets: Secrets, remote: string, signal: AbortSignal): Promise<string | undefined> {
  const host = URL.canParse(remote) ? new URL(remote).host : '';
  for (const suffix of host === '' ? [''] : [`.${host}`, '']) {
    const header = await secrets(`GIT_AUTH_HEADER${suffix}`, signal);
    if (header !== undefined) return oneLine(header);
    const token = await secrets(`GIT_AUTH_TOKEN${suffix}`, signal);
    if (token !== undefined) {
      return `basic ${Buffer.from(`x-access-token:${oneLine(token)}`).toString('base64')}`;
    }
  }
  return undefined;
}
