import { pathPart } from '../../client/target.ts';
import type { ContainerInspect } from '../../spec/engine/container.ts';
import { defineCommand, exactly } from '../command.ts';
import { CliError } from '../errors.ts';
import { flag, types } from '../flags/types.ts';
import type { Session } from '../session.ts';
import { checkInput } from '../terminal/check.ts';
import { relay } from '../terminal/relay.ts';
import { followSize, resize } from '../terminal/resize.ts';
import { forwardSignals } from '../terminal/signals.ts';
import { isTerminal, terminalSize } from '../terminal/tty.ts';
import { beginWait, inspectContainer } from './api.ts';

export const attach = defineCommand({
  usage: '[OPTIONS] CONTAINER',
  summary: "Connect the terminal to a running container's main process",
  aliases: ['gantry container attach', 'gantry attach'],
  flags: {
    'detach-keys': flag(types.string, 'Keys that detach from the container (default "ctrl-p,ctrl-q")'),
    'no-stdin': flag(types.bool, 'Leave standard input alone'),
    'sig-proxy': flag(types.bool, 'Pass received signals on to the process', { initial: true, shown: 'true' }),
  },
  args: exactly(1),
  async run({ session, flags, args }) {
    const name = args[0] as string;
    const waiting = beginWait(session.client, name, undefined);
    waiting.catch(() => undefined);
    const container = await runningContainer(session, name);
    checkInput(!flags['no-stdin'], container.Config.Tty);
    const stdin = !flags['no-stdin'] && container.Config.OpenStdin;
    const detachKeys = flags['detach-keys'] || session.config.detachKeys || '';
    if (flags['sig-proxy'] && !container.Config.Tty) forwardSignals(session, container.Id);
    const connection = await session.client.hijack(`/containers/${pathPart(name)}/attach`, {
      query: { stream: true, stdin, stdout: true, stderr: true, detachKeys: detachKeys || undefined },
    });
    // It may have stopped meanwhile: then nothing would ever come.
    await runningContainer(session, name);
    if (container.Config.Tty && isTerminal(1)) await redraw(session, container.Id);
    const tty = container.Config.Tty;
    const how = await relay(session, connection, { stdin, stdout: true, stderr: true, tty, detachKeys });
    if (how === 'detached') throw new CliError('read escape sequence');
    const { StatusCode, Error: failure } = await (await waiting).answer;
    if (failure != null) throw new CliError(failure.Message);
    return StatusCode;
  },
});

async function runningContainer(session: Session, name: string): Promise<ContainerInspect> {
  const container = await inspectContainer(session.client, name);
  const { Running, Paused, Restarting } = container.State;
  if (!Running) throw new CliError('You cannot attach to a stopped container, start it first');
  if (Paused) throw new CliError('You cannot attach to a paused container, unpause it first');
  if (Restarting) throw new CliError('You cannot attach to a restarting container, wait until it is running');
  return container;
}

/** A change of size makes programs draw their screen again: without it a shell would show nothing until a key is hit. */
async function redraw(session: Session, id: string): Promise<void> {
  const { height, width } = terminalSize();
  const target = { kind: 'containers', id } as const;
  await resize(session, target, { height: height + 1, width: width + 1 });
  await followSize(session, target);
}
