import { type ContextTree, releaseTree } from '../context/tree.ts';
import type { BuildJob } from '../control/job.ts';
import { listFolder } from '../fsutil/list.ts';
import { receiveFolder } from '../fsutil/receive.ts';
import type { SourceLock } from '../lock/lock.ts';
import type { Session } from '../session/session.ts';
import { uploadOf } from '../session/upload.ts';
import { missing } from '../solve/keys.ts';
import type { SolvePorts } from '../solve/ports.ts';
import { textOf } from '../solve/source.ts';
import { isRemoteContext, remoteContext } from '../sources/remote-context.ts';
import { archiveSource } from './archive-source.ts';
import type { Attributes } from './options.ts';
import type { SessionClient } from './session-client.ts';
import type { BuildSource, FolderWish } from './source.ts';

/** A source, and what it holds as long as a build uses it. */
export interface OpenSource extends BuildSource {
  close(): Promise<void>;
}

/** Folders of a client, by its sessions, and what its attributes name elsewhere: each of these is fetched once. */
export async function sessionSource(
  { sessions, contexts, sources }: Pick<SolvePorts, 'sessions' | 'contexts' | 'sources'>,
  job: BuildJob,
  attributes: Attributes,
  { secrets, agents, lock }: Pick<SessionClient, 'secrets' | 'agents'> & { readonly lock: SourceLock },
): Promise<OpenSource> {
  const find = (name: string): Promise<Session> =>
    sessions.find(attributes.get(`local-sessionid:${name}`) ?? job.request.session, job.signal);
  const receive = async (name: string, { excludes = [], paths = [], ...rest }: FolderWish) =>
    receiveFolder(await find(name), contexts, { name, excludes, followPaths: paths, ...rest });
  // A session that does not come is told of at once.
  const own = await find('context');
  const upload = (address: URL) => uploadOf(own, address, job.signal);
  const fetched = new Map<string, Promise<ContextTree>>();
  const remote = async (locator: string): Promise<BuildSource> => {
    const tree =
      fetched.get(locator) ?? remoteContext({ sources, contexts, job, secrets, agents, lock, upload }, locator);
    fetched.set(locator, tree);
    return archiveSource(await tree);
  };
  const locator = attributes.get('context') ?? '';
  if (locator !== '' && !isRemoteContext(locator)) throw missing(`a build context at ${JSON.stringify(locator)}`);
  return {
    hasAll: locator !== '',
    async definition(wish) {
      const key = attributes.get('dockerfilekey');
      if (locator !== '' && key === undefined) return (await remote(locator)).definition(wish);
      return receive(key ?? 'dockerfile', wish);
    },
    async context(name, wish) {
      if (name === 'context') {
        if (locator !== '') return (await remote(locator)).context(name, wish);
        return receive(attributes.get('contextkey') ?? 'context', wish);
      }
      const named = attributes.get(`context:${name}`) ?? '';
      const folder = /^local:(.+)$/.exec(named)?.[1];
      if (folder !== undefined) return receive(folder, wish);
      if (isRemoteContext(named)) return (await remote(named)).context('context', wish);
      throw missing(`the context ${JSON.stringify(name)} at ${JSON.stringify(named)}`);
    },
    async names(name, folder, signal) {
      const isOwn = name === 'context';
      const place = isOwn ? locator : (attributes.get(`context:${name}`) ?? '');
      if (isRemoteContext(place)) return (await remote(place)).names('context', folder, signal);
      const key = isOwn ? (attributes.get('contextkey') ?? 'context') : place.replace(/^local:/, '');
      return (await listFolder(await find(key), { name: key, folder, signal })).map(textOf);
    },
    async close() {
      for (const tree of fetched.values()) await tree.then(releaseTree, () => undefined);
    },
  };
}
