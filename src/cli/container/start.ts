import { messageOf } from '../../base/errors.ts';
import { pathPart } from '../../client/target.ts';
import { atLeast, defineCommand } from '../command.ts';
import { CliError } from '../errors.ts';
import { flag, types } from '../flags/types.ts';
import type { Session } from '../session.ts';
import { relay } from '../terminal/relay.ts';
import { followSize } from '../terminal/resize.ts';
import { forwardSignals } from '../terminal/signals.ts';
import { isTerminal } from '../terminal/tty.ts';
import { beginWait, inspectContainer, postContainer } from './api.ts';
import { exitCodeOf } from './_exit-code.ts';

export const start = defineCommand({
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  summary: 'Start stopped containers',
  aliases: ['gantry container start', 'gantry start'],
  flags: {
    attach: flag(types.bool, 'Show the output, and pass signals on', { short: 'a' }),
    'detach-keys': flag(types.string, 'Keys that detach from the container (default "ctrl-p,ctrl-q")'),
    interactive: flag(types.bool, "Connect standard input with the container's", { short: 'i' }),
  },
  args: atLeast(1),
  async run({ session, flags, args }) {
    if (!flags.attach && !flags.interactive) return startAll(session, args);
    if (args.length > 1) throw new CliError('you cannot start and attach multiple containers at once');
    const keys = flags['detach-keys'] || session.config.detachKeys || '';
    return startAttached(session, args[0] as string, flags.interactive, keys);
  },
});

async function startAll(session: Session, names: readonly string[]): Promise<number> {
  const failed: string[] = [];
  for (const name of names) {
    try {
      await postContainer(session.client, name, 'start');
      session.out(`${name}\n`);
    } catch (error) {
      session.err(`${messageOf(error)}\n`);
      failed.push(name);
    }
  }
  if (failed.length > 0) throw new CliError(`Error: failed to start containers: ${failed.join(', ')}`);
  return 0;
}

async function startAttached(
  session: Session,
  name: string,
  interactive: boolean,
  detachKeys: string,
): Promise<number> {
  const { client } = session;
  const { Id, Config, HostConfig } = await inspectContainer(client, name);
  if (!Config.Tty) forwardSignals(session, Id);
  const stdin = interactive && Config.OpenStdin;
  const connection = await client.hijack(`/containers/${pathPart(Id)}/attach`, {
    query: { stream: true, stdin, stdout: true, stderr: true, detachKeys: detachKeys || undefined },
  });
  const streams = relay(session, connection, { stdin, stdout: true, stderr: true, tty: Config.Tty, detachKeys });
  streams.catch(() => undefined);
  const { answer } = await beginWait(client, Id, HostConfig.AutoRemove ? 'removed' : 'next-exit');
  answer.catch(() => undefined);
  try {
    await postContainer(client, Id, 'start');
  } catch (error) {
    connection.destroy();
    await streams.catch(() => undefined);
    if (HostConfig.AutoRemove) await answer.catch(() => undefined);
    throw error;
  }
  if (Config.Tty && isTerminal(1)) await followSize(session, { kind: 'containers', id: Id });
  if ((await streams) === 'detached') return 0;
  return exitCodeOf(session, answer);
}
