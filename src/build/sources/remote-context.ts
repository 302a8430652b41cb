import { createHash } from 'node:crypto';
import { archiveHeadBytes, looksLikeArchive } from '../../archive/tar/looks-like.ts';
import type { ByteStream } from '../../base/stream.ts';
import type { Contexts } from '../context/contexts.ts';
import { contextFromTar } from '../context/from-tar.ts';
import { type ContextTree, impliedDirectory } from '../context/tree.ts';
import { limits } from '../dockerfile/source.ts';
import { httpSource, type SourceLock } from '../lock/lock.ts';
import type { BuildJob } from '../control/job.ts';
import { parseGitSource } from '../plan/git-source.ts';
import { missing } from '../solve/keys.ts';
import type { Agents, Secrets } from '../solve/scope.ts';
import { fetchSource, type Sources } from './fetch.ts';
import { shownUrl } from './download.ts';

/** The host by which clients name what they send themselves, as their standard input. */
const sessionHost = 'buildkit-session';

export interface RemoteParts {
  readonly sources: Sources;
  readonly contexts: Contexts;
  readonly job: BuildJob;
  readonly secrets: Secrets;
  readonly agents: Agents;
  readonly lock: SourceLock;
  /** What a client offers under an address of its own. */
  readonly upload: (address: URL) => ByteStream;
}

/** Whether a context's locator names something that is fetched by `remoteContext`. */
export const isRemoteContext = (locator: string): boolean =>
  /^https?:\/\//.test(locator) || parseGitSource(locator) !== undefined;

/**
 * A context that is no folder of the client: a git repository, an archive behind an address, an archive that the client
 * sends. A file that is no archive is a Dockerfile alone. The tree belongs to the caller. @throws EngineError
 */
export async function remoteContext(parts: RemoteParts, locator: string): Promise<ContextTree> {
  const { sources, job, secrets, agents, lock, upload } = parts;
  const address = URL.parse(locator);
  if (address?.host === sessionHost) return loadStep(parts, '', upload(address));
  const git = parseGitSource(locator);
  if (git !== undefined) {
    const { remote, ref, folder, checksum, keepGitDir, submodules } = git;
    return fetchSource(
      sources,
      job,
      { secrets, agents, lock, signal: job.signal },
      {
        kind: 'git',
        remote,
        ref,
        folder,
        checksum,
        keepGitDir: keepGitDir ?? false,
        skipSubmodules: submodules === false,
      },
    );
  }
  if (!/^https?:\/\//.test(locator)) throw missing(`a build context at ${JSON.stringify(locator)}`);
  const bytes = lockedBytes(lock, locator, sources.http.read(locator, secrets, job.signal));
  return loadStep(parts, ` from ${shownUrl(locator)}`, bytes);
}

function loadStep({ job, contexts }: RemoteParts, from: string, bytes: ByteStream): Promise<ContextTree> {
  return job.step({ name: `[internal] load remote build context${from}` }, async (output) => {
    const line = output.line('transferring context:');
    const tree = await archiveOrFile(
      contexts,
      counted(bytes, (count) => line.progress(count)),
    );
    line.done();
    return tree;
  });
}

/** What an address gives, checked against the lock at its end: nothing is made of it before. */
async function* lockedBytes(lock: SourceLock, url: string, bytes: ByteStream): AsyncGenerator<Uint8Array> {
  const source = httpSource(url);
  // One that the lock does not name is not asked for.
  lock.find(source);
  const sum = createHash('sha256');
  for await (const chunk of bytes) {
    sum.update(chunk);
    yield chunk;
  }
  lock.note(source, `sha256:${sum.digest('hex')}`);
}

async function* counted(bytes: ByteStream, progress: (bytes: number) => void): AsyncGenerator<Uint8Array> {
  let count = 0;
  for await (const chunk of bytes) {
    count += chunk.length;
    progress(count);
    yield chunk;
  }
}

async function archiveOrFile(contexts: Contexts, bytes: ByteStream): Promise<ContextTree> {
  const chunks = bytes[Symbol.asyncIterator]();
  let head = Buffer.alloc(0);
  for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) {
    head = Buffer.concat([head, next.value]);
    if (head.length >= archiveHeadBytes) break;
  }
  const all = (async function* whole(): AsyncGenerator<Uint8Array> {
    try {
      yield head;
      for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) yield next.value;
    } finally {
      await chunks.return?.();
    }
  })();
  return looksLikeArchive(head) ? contextFromTar(contexts, all) : dockerfileAlone(contexts, all);
}

async function dockerfileAlone(contexts: Contexts, bytes: AsyncGenerator<Uint8Array>): Promise<ContextTree> {
  const pack = await contexts.newPack();
  try {
    const parts: Uint8Array[] = [];
    let size = 0;
    for await (const part of bytes) {
      parts.push(Buffer.from(part));
      size += part.length;
      // One byte more than allowed is enough to be told of.
      if (size > limits.fileBytes) break;
    }
    const whole = Buffer.concat(parts);
    const extent = await pack.append(whole);
    await pack.flush();
    const sha256 = createHash('sha256').update(whole).digest('hex');
    const content = { size: whole.length, extents: [extent], sha256 };
    const entry = { ...impliedDirectory, path: 'Dockerfile', type: 'file', mode: 0o644, size, content } as const;
    pack.hold();
    return { entries: new Map([['Dockerfile', entry]]), packs: new Set([pack]) };
  } finally {
    await pack.release();
  }
}
