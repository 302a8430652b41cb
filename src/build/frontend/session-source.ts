import { contextFromTar } from '../context/from-tar.ts';
import { type ContextTree, releaseTree } from '../context/tree.ts';
import type { BuildJob } from '../control/job.ts';
import { receiveFolder } from '../fsutil/receive.ts';
import type { Session } from '../session/session.ts';
import { uploadOf } from '../session/upload.ts';
import { missing } from '../solve/keys.ts';
import type { SolvePorts } from '../solve/ports.ts';
import { archiveSource } from './archive-source.ts';
import type { Attributes } from './options.ts';
import type { BuildSource, FolderWish } from './source.ts';

/** A source, and what it holds as long as a build uses it. */
export interface OpenSource extends BuildSource {
  close(): Promise<void>;
}

/** What a client has, by its sessions. @throws not-implemented for a context that is elsewhere */
export async function sessionSource(
  { sessions, contexts }: Pick<SolvePorts, 'sessions' | 'contexts'>,
  job: BuildJob,
  attributes: Attributes,
): Promise<OpenSource> {
  const find = (name: string): Promise<Session> =>
    sessions.find(attributes.get(`local-sessionid:${name}`) ?? job.request.session, job.signal);
  const receive = async (name: string, { excludes = [], paths = [], ...rest }: FolderWish) =>
    receiveFolder(await find(name), contexts, { name, excludes, followPaths: paths, ...rest });
  // A session that does not come is told of at once.
  const own = await find('context');
  const locator = attributes.get('context') ?? '';
  const tree = locator === '' ? undefined : await uploaded(contexts, job, own, locator);
  const archive = tree === undefined ? undefined : archiveSource(tree);
  return {
    definition: (wish) =>
      archive === undefined || attributes.has('dockerfilekey')
        ? receive(attributes.get('dockerfilekey') ?? 'dockerfile', wish)
        : archive.definition(wish),
    context(name, wish) {
      const folder = /^local:(.+)$/.exec(attributes.get(`context:${name}`) ?? '')?.[1];
      if (name === 'context' && archive !== undefined) return archive.context(name, wish);
      if (name === 'context') return receive(attributes.get('contextkey') ?? 'context', wish);
      if (folder !== undefined) return receive(folder, wish);
      throw missing(
        `the context ${JSON.stringify(name)} at ${JSON.stringify(attributes.get(`context:${name}`) ?? '')}`,
      );
    },
    async close() {
      if (tree !== undefined) await releaseTree(tree);
    },
  };
}

/** Clients give their standard input an address of this host. */
const sessionHost = 'buildkit-session';

/** An archive that the client uploads. */
async function uploaded(
  contexts: SolvePorts['contexts'],
  job: BuildJob,
  session: Session,
  locator: string,
): Promise<ContextTree> {
  const address = URL.parse(locator);
  if (address?.host !== sessionHost) throw missing(`a build context at ${JSON.stringify(locator)}`);
  return job.step({ name: '[internal] load remote build context' }, async (output) => {
    const line = output.line('transferring context:');
    const tree = await contextFromTar(
      contexts,
      counted(uploadOf(session, address, job.signal), (bytes) => line.progress(bytes)),
    );
    line.done();
    return tree;
  });
}

async function* counted(stream: AsyncIterable<Uint8Array>, progress: (bytes: number) => void) {
  let bytes = 0;
  for await (const chunk of stream) {
    bytes += chunk.length;
    progress(bytes);
    yield chunk;
  }
}
