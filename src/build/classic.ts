import { invalid, messageOf } from '../base/errors.ts';
import { randomHex64 } from '../base/ids.ts';
import type { ByteStream } from '../base/stream.ts';
import type { RegistryLogin } from '../spec/contract/build.ts';
import { CommandFailure, type ProgressMessage, type ProgressSink } from '../spec/engine/progress.ts';
import { contextFromTar } from './context/from-tar.ts';
import { type ContextTree, releaseTree } from './context/tree.ts';
import { BuildJob, type StatusEvent } from './control/job.ts';
import { exportImage } from './export/image.ts';
import { archiveSource } from './frontend/archive-source.ts';
import type { Logins } from './frontend/base-image.ts';
import { buildDockerfile } from './frontend/build.ts';
import { noClient, type SessionClient, sessionClient } from './frontend/session-client.ts';
import { type OpenSource, sessionSource } from './frontend/session-source.ts';
import { isRemoteContext, remoteContext } from './sources/remote-context.ts';
import type { SolvePorts } from './solve/ports.ts';
import { solveRequest, statusResponse } from './wire/control.ts';
import { decode } from './wire/decode.ts';
import { encode } from './wire/encode.ts';

/** A build by `POST /build`: everything comes in the request, or by a session that it names. */
export interface ClassicBuild {
  /** The context with its Dockerfile; compressed or not. */
  readonly archive: ByteStream;
  /** The context is the session's, and nothing is in the archive. */
  readonly isFromSession: boolean;
  /** Of the client that is asked for logins, secrets and agents; empty for none. */
  readonly session: string;
  /** Told of in BuildKit's events, as clients with `version=2` expect. */
  readonly isTraced: boolean;
  /** As BuildKit's clients name them (`build-arg:NAME`, `target`, ...). */
  readonly attributes: ReadonlyMap<string, string>;
  readonly names: readonly string[];
  /** Only the id is told. */
  readonly quiet: boolean;
  readonly logins: (host: string) => RegistryLogin | undefined;
  readonly progress: ProgressSink;
  readonly signal: AbortSignal;
}

/** Builds, and tells of it as Docker's classic builder does. @throws EngineError; the image is not made then */
export async function buildClassic(ports: SolvePorts, request: ClassicBuild): Promise<void> {
  const { session } = request;
  const job = new BuildJob({ ...decode(solveRequest, new Uint8Array(0)), ref: randomHex64(), session });
  const onAbort = (): void => job.cancel();
  request.signal.addEventListener('abort', onAbort, { once: true });
  const told = request.quiet ? Promise.resolve() : tell(job, request);
  const content = ports.images.beginBuild();
  let isBuilt = false;
  try {
    const client = session === '' ? noClient : sessionClient(ports.sessions, session);
    const source = await sourceOf(ports, { job, client }, request);
    try {
      const logins: Logins = async (host, signal) => request.logins(host) ?? client.logins(host, signal);
      const results = await buildDockerfile(ports, job, content, {
        ...client,
        attributes: request.attributes,
        source,
        logins,
        allowed: { insecure: false, devices: false },
        linked: () => undefined,
        imported: () => Promise.resolve(undefined),
      });
      const wanted = { type: 'image', attributes: new Map([['name', request.names.join(',')]]), index: 0 };
      const exported = await exportImage({ ports, job, content, results, request: wanted, logins });
      job.close();
      await told;
      tellImage(request, exported.get('containerimage.digest') ?? '');
      isBuilt = true;
    } finally {
      await source.close();
    }
  } catch (error) {
    throw request.isTraced ? error : inClassicWords(error);
  } finally {
    request.signal.removeEventListener('abort', onAbort);
    job.close();
    await told;
    content.end();
    const cleaned = ports.images.collect().then(ports.keepBudget);
    // Of a build that failed nothing is left when the client is told.
    if (!isBuilt) await cleaned;
  }
}

interface Origin {
  readonly job: BuildJob;
  readonly client: SessionClient;
}

/** The context is in the request, behind an address, or the session's. */
async function sourceOf(ports: SolvePorts, origin: Origin, request: ClassicBuild): Promise<OpenSource> {
  const { job, client } = origin;
  if (request.isFromSession) return sessionSource(ports, job, request.attributes, client.secrets);
  const tree = await contextOf(ports, origin, request);
  return { ...archiveSource(tree), close: () => releaseTree(tree) };
}

function contextOf(ports: SolvePorts, { job, client }: Origin, request: ClassicBuild): Promise<ContextTree> {
  const { contexts, sources } = ports;
  const { archive, attributes } = request;
  const locator = attributes.get('context') ?? '';
  if (locator === '') return contextFromTar(contexts, archive);
  if (!isRemoteContext(locator)) throw invalid(`remote: ${JSON.stringify(locator)} is no address of a build context`);
  return remoteContext({ sources, contexts, job, secrets: client.secrets, upload: () => archive }, locator);
}

function tellImage({ names, quiet, isTraced, progress }: ClassicBuild, id: string): void {
  if (isTraced && !quiet) {
    progress({ id: 'moby.image.id', aux: { ID: id } });
    return;
  }
  progress({ aux: { ID: id } });
  if (quiet) {
    progress({ stream: `${id}\n` });
    return;
  }
  progress({ stream: `Successfully built ${id.slice('sha256:'.length, 'sha256:'.length + 12)}\n` });
  for (const name of names) progress({ stream: `Successfully tagged ${tagged(name)}\n` });
}

const tagged = (name: string): string =>
  name.slice(name.lastIndexOf('/') + 1).includes(':') ? name : `${name}:latest`;

/** The steps with their numbers, and what their commands print; or all events, as BuildKit's Status tells them. */
async function tell(job: BuildJob, { isTraced, progress }: ClassicBuild): Promise<void> {
  const begun = new Set<string>();
  for await (const event of job.events(new AbortController().signal)) {
    if (isTraced) {
      progress({ id: 'moby.buildkit.trace', aux: Buffer.from(encode(statusResponse, event)).toString('base64') });
      continue;
    }
    for (const message of messagesOf(event, begun)) progress(message);
  }
}

/** `[internal] load metadata for ...`, or `[linux/arm64 internal] ...`. */
const metadataStep = /^\[(?:[^ \]]+ )?internal\] load metadata/;

/** `[2/5] RUN make`, `[build 2/5] RUN make`. */
const numbered = /^\[(?:[^\]]* )?(\d+)\/(\d+)\] (.*)$/s;

function* messagesOf({ vertexes = [], logs = [] }: StatusEvent, begun: Set<string>): Generator<ProgressMessage> {
  for (const { digest = '', name = '', cached = false } of vertexes) {
    // From here on a failure is one of the build, told of in the stream: clients tell it from a refused request.
    if (metadataStep.test(name)) yield { stream: '' };
    const step = numbered.exec(name);
    if (step === null || begun.has(digest)) continue;
    begun.add(digest);
    yield { stream: `Step ${step[1]}/${step[2]} : ${step[3]}\n` };
    if (cached && !step[3]?.startsWith('FROM ')) yield { stream: ' ---> Using cache\n' };
  }
  for (const { msg = new Uint8Array(0) } of logs) yield { stream: Buffer.from(msg).toString() };
}

const failedCommand = /^process "(.*)" did not complete successfully: exit code: (\d+)$/s;

/** A command that failed is told of in the classic builder's own words: clients and scripts look for them. */
function inClassicWords(error: unknown): unknown {
  const failed = failedCommand.exec(messageOf(error));
  if (failed === null) return error;
  const command = JSON.parse(`"${failed[1] ?? ''}"`) as string;
  const message = `The command '${command}' returned a non-zero code: ${failed[2]}`;
  return new CommandFailure(message, Number(failed[2]), error);
}
