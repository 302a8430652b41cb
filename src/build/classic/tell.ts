import { messageOf } from '../../base/errors.ts';
import type { ClassicBuild } from '../../spec/contract/classic-build.ts';
import { CommandFailure, type ProgressMessage, type ProgressSink } from '../../spec/engine/progress.ts';
import type { BuildJob, StatusEvent } from '../control/job.ts';
import { statusResponse } from '../wire/control.ts';
import { encode } from '../wire/encode.ts';

type Told = Pick<ClassicBuild, 'isTraced' | 'quiet' | 'names'>;

/** The steps with their numbers, and what their commands print; or all events, as BuildKit's Status tells them. */
export async function tellSteps(job: BuildJob, isTraced: boolean, progress: ProgressSink): Promise<void> {
  const begun = new Set<string>();
  for await (const event of job.events(new AbortController().signal)) {
    if (isTraced) {
      progress({ id: 'moby.buildkit.trace', aux: Buffer.from(encode(statusResponse, event)).toString('base64') });
      continue;
    }
    for (const message of messagesOf(event, begun)) progress(message);
  }
}

/** What the image is. */
export function tellImage({ names, quiet, isTraced }: Told, id: string, progress: ProgressSink): void {
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

/** Of what nobody wants to see unless the build fails, so much is kept, and then told. */
const mostKept = 1 << 20;

/** Keeps what is told until the build has failed: then it may say why. */
export class QuietTold {
  readonly #kept: ProgressMessage[] = [];
  #bytes = 0;

  readonly take: ProgressSink = (message) => {
    this.#kept.push(message);
    this.#bytes += sizeOf(message);
    while (this.#bytes > mostKept && this.#kept.length > 1) this.#bytes -= sizeOf(this.#kept.shift() ?? {});
  };

  tell(progress: ProgressSink): void {
    for (const message of this.#kept.splice(0)) progress(message);
  }
}

const sizeOf = ({ stream = '', aux }: ProgressMessage): number =>
  stream.length + (typeof aux === 'string' ? aux.length : 0);

const failedCommand = /^process "(.*)" did not complete successfully: exit code: (\d+)$/s;

/** A command that failed is told of in the classic builder's own words: clients and scripts look for them. */
export function inClassicWords(error: unknown): unknown {
  const failed = failedCommand.exec(messageOf(error));
  if (failed === null) return error;
  const command = JSON.parse(`"${failed[1] ?? ''}"`) as string;
  const message = `The command '${command}' returned a non-zero code: ${failed[2]}`;
  return new CommandFailure(message, Number(failed[2]), error);
}
