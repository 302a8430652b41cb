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
import { buildDockerfile } from './frontend/build.ts';
import { isRemoteContext, remoteContext } from './sources/remote-context.ts';
import type { SolvePorts } from './solve/ports.ts';
import { solveRequest } from './wire/control.ts';
import { decode } from './wire/decode.ts';

/** A build by `POST /build`: everything comes in the request. */
export interface ClassicBuild {
  /** The context with its Dockerfile; compressed or not. */
  readonly archive: ByteStream;
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
  const job = new BuildJob({ ...decode(solveRequest, new Uint8Array(0)), ref: randomHex64() });
  const onAbort = (): void => job.cancel();
  request.signal.addEventListener('abort', onAbort, { once: true });
  const told = request.quiet ? Promise.resolve() : tell(job, request.progress);
  const content = ports.images.beginBuild();
  try {
    const tree = await contextOf(ports, job, request);
    try {
      const logins = (host: string) => Promise.resolve(request.logins(host));
      const built = await buildDockerfile(ports, job, content, {
        attributes: request.attributes,
        source: archiveSource(tree),
        logins,
        secrets: () => Promise.resolve(undefined),
        agents: () => Promise.resolve(undefined),
        allowed: { insecure: false, devices: false },
        linked: () => undefined,
        imported: () => Promise.resolve(undefined),
      });
      const wanted = { type: 'image', attributes: new Map([['name', request.names.join(',')]]), index: 0 };
      const exported = await exportImage({ ports, job, content, built, request: wanted, logins });
      job.close();
      await told;
      tellImage(request, exported.get('containerimage.digest') ?? '');
    } finally {
      await releaseTree(tree);
    }
  } catch (error) {
    throw inClassicWords(error);
  } finally {
    request.signal.removeEventListener('abort', onAbort);
    job.close();
    await told;
    content.end();
    await ports.images.collect();
    ports.keepBudget();
  }
}

/** The context is in the request, or behind an address. */
function contextOf(ports: SolvePorts, job: BuildJob, { archive, attributes }: ClassicBuild): Promise<ContextTree> {
  const { contexts, sources } = ports;
  const locator = attributes.get('context') ?? '';
  if (locator === '') return contextFromTar(contexts, archive);
  if (!isRemoteContext(locator)) throw invalid(`remote: ${JSON.stringify(locator)} is no address of a build context`);
  const secrets = (): Promise<undefined> => Promise.resolve(undefined);
  return remoteContext({ sources, contexts, job, secrets, upload: () => archive }, locator);
}

function tellImage({ names, quiet, progress }: ClassicBuild, id: string): void {
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

/** The steps with their numbers, and what their commands print. */
async function tell(job: BuildJob, progress: ProgressSink): Promise<void> {
  const begun = new Set<string>();
  for await (const event of job.events(new AbortController().signal)) {
    for (const message of messagesOf(event, begun)) progress(message);
  }
}

/** `[2/5] RUN make`, `[build 2/5] RUN make`. */
const numbered = /^\[(?:[^\]]* )?(\d+)\/(\d+)\] (.*)$/s;

function* messagesOf({ vertexes = [], logs = [] }: StatusEvent, begun: Set<string>): Generator<ProgressMessage> {
  for (const { digest = '', name = '', cached = false } of vertexes) {
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
