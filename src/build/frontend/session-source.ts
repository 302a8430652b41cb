import { receiveFolder } from '../fsutil/receive.ts';
import type { Session } from '../session/session.ts';
import { missing } from '../solve/keys.ts';
import type { SolvePorts } from '../solve/ports.ts';
import type { Attributes } from './options.ts';
import type { BuildSource, FolderWish } from './source.ts';

/** Folders of a client, by its sessions. @throws not-implemented for a context that is elsewhere */
export async function sessionSource(
  { sessions, contexts }: Pick<SolvePorts, 'sessions' | 'contexts'>,
  ownSession: string,
  attributes: Attributes,
  signal: AbortSignal,
): Promise<BuildSource> {
  const locator = attributes.get('context') ?? '';
  if (locator !== '') throw missing(`a build context at ${JSON.stringify(locator)}`);
  const find = (name: string): Promise<Session> =>
    sessions.find(attributes.get(`local-sessionid:${name}`) ?? ownSession, signal);
  const receive = async (name: string, { excludes = [], paths = [], ...rest }: FolderWish) =>
    receiveFolder(await find(name), contexts, { name, excludes, followPaths: paths, ...rest });
  // A session that does not come is told of at once.
  await find('context');
  return {
    definition: (wish) => receive(attributes.get('dockerfilekey') ?? 'dockerfile', wish),
    context(name, wish) {
      const folder = /^local:(.+)$/.exec(attributes.get(`context:${name}`) ?? '')?.[1];
      if (name === 'context') return receive(attributes.get('contextkey') ?? 'context', wish);
      if (folder !== undefined) return receive(folder, wish);
      throw missing(
        `the context ${JSON.stringify(name)} at ${JSON.stringify(attributes.get(`context:${name}`) ?? '')}`,
      );
    },
  };
}
