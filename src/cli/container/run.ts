import { messageOf } from '../../base/errors.ts';
import { pathPart } from '../../client/target.ts';
import { atLeast, defineCommand } from '../command.ts';
import { CliError, withHelp } from '../errors.ts';
import { flag, types } from '../flags/types.ts';
import type { Session } from '../session.ts';
import { checkInput } from '../terminal/check.ts';
import { relay } from '../terminal/relay.ts';
import { followSize } from '../terminal/resize.ts';
import { forwardSignals } from '../terminal/signals.ts';
import { isTerminal } from '../terminal/tty.ts';
import { beginWait, postContainer } from './api.ts';
import { createBody } from './_create-body.ts';
import type { CreateBody } from './_create-body.ts';
import { checkPull, createContainer } from './_create.ts';
import { exitCodeOf } from './_exit-code.ts';
import { createFlags } from './_run-flags.ts';

export const run = defineCommand({
  usage: '[OPTIONS] IMAGE [COMMAND] [ARG...]',
  summary: 'Make a container from an image and run a command in it',
  aliases: ['gantry container run', 'gantry run'],
  flags: {
    ...createFlags,
    detach: flag(types.bool, 'Leave the container running in the background and print its id', { short: 'd' }),
    'detach-keys': flag(types.string, 'Keys that detach from the container (default "ctrl-p,ctrl-q")'),
    'sig-proxy': flag(types.bool, 'Pass received signals on to the process', { initial: true, shown: 'true' }),
  },
  args: atLeast(1),
  interspersed: false,
  async run({ session, flags, given, args }) {
    let body: CreateBody;
    try {
      checkPull(flags.pull);
      body = createBody(flags, given, args, session.env);
    } catch (error) {
      throw withHelp(messageOf(error), 'run');
    }
    if (!flags.detach) checkInput(body.AttachStdin, body.Tty);
    else if (flags.attach.length > 0) {
      throw new CliError('conflicting options: cannot specify both --attach and --detach');
    } else detachStreams(body);
    const detachKeys = flags['detach-keys'] || session.config.detachKeys || '';
    const id = await createContainer(session, flags, body).catch((error: unknown) => {
      throw startError(error);
    });
    const stopForwarding = flags['sig-proxy'] ? forwardSignals(session, id) : () => undefined;
    try {
      return await startAndFollow(session, id, body, detachKeys);
    } finally {
      stopForwarding();
    }
  },
});

function detachStreams(body: CreateBody): void {
  body.AttachStdin = false;
  body.AttachStdout = false;
  body.AttachStderr = false;
  body.StdinOnce = false;
}

/**
 * Attaches before the start, so that no byte is missed, and waits before the start, so that no exit is. Resolves with
 * the exit code of the container, or 0 when it goes on without this command.
 */
async function startAndFollow(session: Session, id: string, body: CreateBody, detachKeys: string): Promise<number> {
  const streams = await attachStreams(session, id, body, detachKeys);
  if (streams === undefined) session.out(`${id}\n`);
  const { AutoRemove } = body.HostConfig;
  // Without streams nobody asks for the exit code: the wait and its connection are saved.
  const waiting =
    streams === undefined ? undefined : await beginWait(session.client, id, AutoRemove ? 'removed' : 'next-exit');
  waiting?.answer.catch(() => undefined);
  try {
    await postContainer(session.client, id, 'start');
  } catch (error) {
    await streams?.cancel();
    if (AutoRemove) await waiting?.answer.catch(() => undefined);
    throw startError(error);
  }
  if (streams === undefined || waiting === undefined) return 0;
  if (body.Tty && isTerminal(1)) await followSize(session, { kind: 'containers', id });
  const hasOutput = body.AttachStdout || body.AttachStderr;
  if (!hasOutput) {
    const code = await Promise.race([streams.done, waiting.answer.then(() => 'exited' as const)]);
    if (code === 'detached') return 0;
    await streams.cancel();
    return exitCodeOf(session, waiting.answer);
  }
  if ((await streams.done) === 'detached') return 0;
  return exitCodeOf(session, waiting.answer);
}

interface AttachedStreams {
  readonly done: Promise<'ended' | 'detached'>;
  /** Drops the connection and waits until the terminal is restored. */
  cancel(): Promise<void>;
}

/** Connects the streams that the request names; undefined when it names none. */
async function attachStreams(
  session: Session,
  id: string,
  { AttachStdin, AttachStdout, AttachStderr, Tty }: CreateBody,
  detachKeys: string,
): Promise<AttachedStreams | undefined> {
  if (!AttachStdin && !AttachStdout && !AttachStderr) return undefined;
  const connection = await session.client.hijack(`/containers/${pathPart(id)}/attach`, {
    query: {
      stream: true,
      stdin: AttachStdin,
      stdout: AttachStdout,
      stderr: AttachStderr,
      detachKeys: detachKeys || undefined,
    },
  });
  const wanted = { stdin: AttachStdin, stdout: AttachStdout, stderr: AttachStderr };
  const done = relay(session, connection, { ...wanted, tty: Tty, detachKeys });
  done.catch(() => undefined);
  return {
    done,
    cancel: async () => {
      connection.destroy();
      await done.catch(() => undefined);
    },
  };
}

const notFound = ['executable file not found', 'no such file or directory', 'system cannot find the file specified'];
const notExecutable = ['permission denied', 'is a directory'];

/** The exit code that `run` gives for a failed create or start: 127, 126, or 125 for all that is not the command's fault. */
function startError(error: unknown): CliError {
  const message = messageOf(error);
  const has = (words: readonly string[]) => words.some((text) => message.includes(text));
  return withHelp(message, 'run', has(notFound) ? 127 : has(notExecutable) ? 126 : 125);
}
