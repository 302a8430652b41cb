import { invalid } from '../../base/errors.ts';
import { randomHex64 } from '../../base/ids.ts';
import type { BuildContent } from '../../spec/contract/build.ts';
import type { ClassicBuild } from '../../spec/contract/classic-build.ts';
import { parseReference } from '../../spec/reference/reference.ts';
import { contextFromTar } from '../context/from-tar.ts';
import { type ContextTree, releaseTree } from '../context/tree.ts';
import { BuildJob } from '../control/job.ts';
import { trueWords } from '../export/attributes.ts';
import { noteExported } from '../control/outcome.ts';
import { exportResult } from '../export/exporters.ts';
import type { Exported } from '../export/scope.ts';
import { archiveSource } from '../frontend/archive-source.ts';
import type { Logins } from '../frontend/base-image.ts';
import { type BuildResults, buildDockerfile } from '../frontend/build.ts';
import { noClient, type SessionClient, sessionClient } from '../frontend/session-client.ts';
import { type OpenSource, sessionSource } from '../frontend/session-source.ts';
import { lockArgument, SourceLock } from '../lock/lock.ts';
import { importCaches, wishesOf } from '../remote-cache/import.ts';
import { isRemoteContext, remoteContext } from '../sources/remote-context.ts';
import type { SolvePorts } from '../solve/ports.ts';
import { solveRequest } from '../wire/control.ts';
import { decode } from '../wire/decode.ts';
import { inClassicWords, QuietTold, tellImage, tellSteps } from './tell.ts';
import type { Uploads } from './uploads.ts';

/** The events of a build. @throws EngineError `invalid` for a name that no image can have */
export function classicJob({ names, session, attributes, isTraced }: ClassicBuild): BuildJob {
  for (const name of names) {
    if (parseReference(name).digest === undefined) continue;
    throw invalid(`invalid tag ${JSON.stringify(name)}: a build tag cannot contain a digest`);
  }
  const locking = attributes.get(lockArgument) ?? '';
  if (locking !== '' && locking !== 'locked') {
    throw invalid(`GANTRY_LOCK=${locking}: POST /build does not give a lock back: expected locked`);
  }
  const plain = decode(solveRequest, new Uint8Array(0));
  const inline = isTraced && trueWords.includes(attributes.get('build-arg:BUILDKIT_INLINE_CACHE') ?? '');
  const exports = inline ? [{ type: 'inline', attrs: new Map<string, string>() }] : [];
  const frontend = { frontend: 'dockerfile.v0', frontendAttrs: attributes };
  return new BuildJob({ ...plain, ...frontend, ref: randomHex64(), session, cache: { exports, imports: [] } });
}

/** Builds, and tells of it as Docker's classic builder does. @throws EngineError; the image is not made then */
export async function buildClassic(
  ports: SolvePorts,
  uploads: Uploads,
  job: BuildJob,
  request: ClassicBuild,
): Promise<void> {
  const { session, quiet, isTraced, progress, output } = request;
  const kept = new QuietTold();
  const told = tellSteps(job, isTraced, quiet ? kept.take : progress);
  const content = ports.images.beginBuild();
  let isBuilt = false;
  try {
    const client = session === '' ? noClient : sessionClient(ports.sessions, session);
    const logins: Logins = async (host, signal) => request.logins(host) ?? client.logins(host, signal);
    const scope: Scope = { ports, uploads, job, client, logins, content, request };
    const exported = await exportWanted(scope, await built(scope));
    noteExported(job, 0, exported);
    job.response = exported;
    job.close();
    await told;
    const id = exported.get('containerimage.digest') ?? '';
    if (output === undefined || id !== '') tellImage(request, id, progress);
    isBuilt = true;
  } catch (error) {
    job.close();
    await told;
    if (!isTraced) kept.tell(progress);
    throw isTraced ? error : inClassicWords(error);
  } finally {
    content.end();
    const cleaned = ports.images.collect().then(ports.keepBudget);
    // Of a build that failed nothing is left when the client is told.
    if (!isBuilt) await cleaned;
  }
}

interface Scope {
  readonly ports: SolvePorts;
  readonly uploads: Uploads;
  readonly job: BuildJob;
  readonly client: SessionClient;
  readonly logins: Logins;
  readonly content: BuildContent;
  readonly request: ClassicBuild;
}

async function built({ ports, uploads, job, client, logins, content, request }: Scope): Promise<BuildResults> {
  const { attributes, session, hostConfig, limits } = request;
  const lock = new SourceLock();
  const source = await sourceOf(ports, uploads, { job, client, lock }, request);
  try {
    const open = session === '' ? undefined : await ports.sessions.find(session, job.signal);
    const finder = { ports, session: open, logins, signal: job.signal };
    return await buildDockerfile(ports, job, content, {
      ...client,
      attributes,
      source,
      lock,
      logins,
      // Who asks for that network for all commands allows it to each.
      allowed: {
        insecure: false,
        devices: false,
        hostNetwork: ports.entitlements.hostNetwork && attributes.get('force-network-mode') === 'host',
      },
      linked: () => undefined,
      imported: await importCaches(finder, job, content, wishesOf(attributes)),
      hostConfig,
      limits,
    });
  } finally {
    await source.close();
  }
}

/** BuildKit's exporters where the client named one, else an image of the engine. */
async function exportWanted({ ports, job, content, logins, request }: Scope, result: BuildResults): Promise<Exported> {
  const { type, attributes } = request.output ?? { type: 'image', attributes: new Map<string, string>() };
  if (type === 'cacheonly') return new Map();
  const isImage = type === 'image' || type === 'moby';
  const named =
    isImage && request.names.length > 0 ? new Map([...attributes, ['name', request.names.join(',')]]) : attributes;
  return exportResult({ ports, job, content, results: result, request: { type, attributes: named, index: 0 }, logins });
}

interface Origin {
  readonly job: BuildJob;
  readonly client: SessionClient;
  readonly lock: SourceLock;
}

/** The context is in the request, in another one, behind an address, or the session's. */
async function sourceOf(
  ports: SolvePorts,
  uploads: Uploads,
  origin: Origin,
  request: ClassicBuild,
): Promise<OpenSource> {
  const { job, client, lock } = origin;
  const { from, attributes, buildId } = request;
  if (from === 'session') return sessionSource(ports, job, attributes, { ...client, lock });
  const tree =
    from === 'upload'
      ? await uploads.take(buildId, job.signal, (archive) => contextFromTar(ports.contexts, archive))
      : await contextOf(ports, origin, request);
  return { ...archiveSource(tree), close: () => releaseTree(tree) };
}

function contextOf(ports: SolvePorts, { job, client, lock }: Origin, request: ClassicBuild): Promise<ContextTree> {
  const { contexts, sources } = ports;
  const { archive, attributes } = request;
  const locator = attributes.get('context') ?? '';
  if (locator === '') return contextFromTar(contexts, archive);
  if (!isRemoteContext(locator)) throw invalid(`remote: ${JSON.stringify(locator)} is no address of a build context`);
  const { secrets, agents } = client;
  return remoteContext({ sources, contexts, job, secrets, agents, lock, upload: () => archive }, locator);
}
