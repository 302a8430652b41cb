import { pathPart } from '../../client/target.ts';
import type { ExecInspect } from '../../spec/engine/exec.ts';
import { atLeast, defineCommand } from '../command.ts';
import { CliError } from '../errors.ts';
import { flag, listOf, types } from '../flags/types.ts';
import type { Session } from '../session.ts';
import { checkInput } from '../terminal/check.ts';
import { relay } from '../terminal/relay.ts';
import { followSize } from '../terminal/resize.ts';
import { isTerminal, terminalSize } from '../terminal/tty.ts';
import { inspectContainer } from './api.ts';
import { checkEnv, readEnvironment } from '../key-values.ts';

export const exec = defineCommand({
  usage: '[OPTIONS] CONTAINER COMMAND [ARG...]',
  summary: 'Run a command inside a running container',
  aliases: ['gantry container exec', 'gantry exec'],
  flags: {
    detach: flag(types.bool, 'Leave the command running in the background', { short: 'd' }),
    'detach-keys': flag(types.string, 'Keys that detach from the command (default "ctrl-p,ctrl-q")'),
    env: flag(listOf(checkEnv), 'Environment variable for the command: NAME=VALUE, or NAME to pass the own one on', {
      short: 'e',
    }),
    'env-file': flag(listOf(), 'File with environment variables'),
    'kill-on-disconnect': flag(types.bool, 'Kill the command and all it started when this client is gone'),
    interactive: flag(types.bool, 'Keep standard input open', { short: 'i' }),
    privileged: flag(types.bool, 'Give the command all privileges'),
    tty: flag(types.bool, 'Give the command a terminal', { short: 't' }),
    user: flag(types.string, 'User name or uid, and group: "<name|uid>[:<group|gid>]"', { short: 'u' }),
    workdir: flag(types.string, 'Folder in which the command starts', { short: 'w' }),
  },
  args: atLeast(2),
  interspersed: false,
  async run({ session, flags, args }) {
    const { client } = session;
    const [name = '', ...command] = args;
    const Env = readEnvironment(flags['env-file'], flags.env, session.env);
    // An exec that was made cannot be taken back: so whatever may fail is looked at first.
    await inspectContainer(client, name);
    const stdin = flags.interactive && !flags.detach;
    if (!flags.detach) checkInput(stdin, flags.tty);
    const detachKeys = flags['detach-keys'] || session.config.detachKeys || '';
    const { height, width } = flags.tty ? terminalSize() : { height: 0, width: 0 };
    const consoleSize = flags.tty ? { ConsoleSize: [height, width] } : {};
    const { Id } = await client.json<{ Id: string }>('POST', `/containers/${pathPart(name)}/exec`, {
      body: {
        User: flags.user,
        Privileged: flags.privileged,
        Tty: flags.tty,
        ...consoleSize,
        AttachStdin: stdin,
        AttachStderr: !flags.detach,
        AttachStdout: !flags.detach,
        DetachKeys: detachKeys,
        Env: Env.length === 0 ? null : Env,
        Detach: flags.detach,
        WorkingDir: flags.workdir,
        Cmd: command,
        ...(flags['kill-on-disconnect'] ? { KillOnDisconnect: true } : {}),
      },
    });
    const body = { Detach: flags.detach, Tty: flags.tty, ...consoleSize };
    if (flags.detach) {
      await client.json('POST', `/exec/${pathPart(Id)}/start`, { body });
      return 0;
    }
    return attachExec(session, Id, { stdin, tty: flags.tty, detachKeys, body });
  },
});

interface AttachExec {
  readonly stdin: boolean;
  readonly tty: boolean;
  readonly detachKeys: string;
  readonly body: unknown;
}

async function attachExec(session: Session, id: string, { stdin, tty, detachKeys, body }: AttachExec): Promise<number> {
  const connection = await session.client.hijack(`/exec/${pathPart(id)}/start`, { body });
  const streams = relay(session, connection, { stdin, stdout: true, stderr: true, tty, detachKeys });
  streams.catch(() => undefined);
  if (tty && isTerminal(0)) await followSize(session, { kind: 'exec', id });
  if ((await streams) === 'detached') throw new CliError('read escape sequence');
  const { ExitCode } = await session.client.json<ExecInspect>('GET', `/exec/${pathPart(id)}/json`);
  return ExitCode ?? 0;
}
