import type { SourceDefinition } from '../graph/operation.ts';
import type { ContextTree } from '../context/tree.ts';
import type { BuildJob } from '../control/job.ts';
import type { Agents, Secrets } from '../solve/scope.ts';
import { type GitRepositories } from './git.ts';
import { oneLine, shownUrl } from './download.ts';
import type { HttpFiles } from './http.ts';

/** What fetches files that lie elsewhere. */
export interface Sources {
  readonly http: HttpFiles;
  readonly git: GitRepositories;
}

export type RemoteDefinition = Extract<SourceDefinition, { kind: 'http' | 'git' }>;

export interface FetchOptions {
  readonly secrets: Secrets;
  readonly agents: Agents;
  readonly signal: AbortSignal;
}

/** Fetches what ADD names, as a step of the build. The tree belongs to the caller. @throws EngineError */
export function fetchSource(
  { http, git }: Sources,
  job: BuildJob,
  { secrets, agents, signal }: FetchOptions,
  definition: RemoteDefinition,
): Promise<ContextTree> {
  if (definition.kind === 'http') {
    const { url, filename, checksum } = definition;
    return job.step({ name: shownUrl(url) }, async (output) => {
      const line = output.line('transferring:');
      const progress = (bytes: number, total: number): void => line.progress(bytes, total);
      const tree = await http.fetch({
        url,
        filename,
        ...(checksum === undefined ? {} : { checksum }),
        secrets,
        progress,
        signal,
      });
      line.done();
      return tree;
    });
  }
  const { remote, ref = '', folder = '', checksum = '', keepGitDir = false, skipSubmodules = false } = definition;
  const name = `${shownUrl(remote)}${ref === '' ? '' : `#${ref}`}`;
  return job.step({ name }, async (output) => {
    const authorization = await gitAuthorization(secrets, remote, signal);
    const progress = (line: string): void => output.log(1, Buffer.from(`${line}\n`));
    const wish = { remote, ref, folder, checksum, keepGitDir, submodules: !skipSubmodules };
    return git.fetch({ ...wish, authorization, agents, secrets, progress, signal });
  });
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
