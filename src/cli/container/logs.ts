import { pathPart } from '../../client/target.ts';
import { atLeast, defineCommand } from '../command.ts';
import { CliError } from '../errors.ts';
import { type FlagValues, flag, types } from '../flags/types.ts';
import type { Session } from '../session.ts';
import { copyOutput } from '../terminal/copy.ts';
import { isTerminal } from '../terminal/tty.ts';
import { timestampText } from '../timestamp.ts';
import { logLines, mergeByTime } from './_merged-logs.ts';
import { inspectContainer } from './api.ts';

const logFlags = {
  clear: flag(types.bool, 'Throw away what the containers have printed so far, instead of showing it'),
  details: flag(types.bool, 'Show the extra attributes of each line'),
  follow: flag(types.bool, 'Go on showing what is printed', { short: 'f' }),
  since: flag(types.string, 'Show only lines after a time ("2013-01-02T13:23:37Z") or since a while ago ("42m")'),
  tail: flag(types.string, 'Number of lines to show from the end', { short: 'n', initial: 'all', shown: '"all"' }),
  timestamps: flag(types.bool, 'Show the time of each line', { short: 't' }),
  until: flag(types.string, 'Show only lines before a time ("2013-01-02T13:23:37Z") or until a while ago ("42m")'),
};
type Flags = FlagValues<typeof logFlags>;

export const logs = defineCommand({
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  summary: 'Show what containers have printed',
  aliases: ['gantry container logs', 'gantry logs'],
  flags: logFlags,
  args: atLeast(1),
  async run({ session, flags, given, args }) {
    if (flags.clear) return clearLogs(session, given, args);
    const containers = await Promise.all(args.map((name) => inspectContainer(session.client, name)));
    const [only] = containers;
    if (only !== undefined && containers.length === 1) {
      const response = await requestLogs(session, only.Id, flags, flags.timestamps);
      await copyOutput(session.output, response.body, only.Config.Tty);
      return 0;
    }
    const bodies = await Promise.all(containers.map(({ Id }) => requestLogs(session, Id, flags, true)));
    const sources = bodies.map(({ body }, source) => logLines(body, source, containers[source]?.Config.Tty === true));
    const prefixes = prefixesOf(args);
    for await (const { source, fd, time, text } of mergeByTime(sources, flags.follow)) {
      const line = `${prefixes[source]}${flags.timestamps ? `${time} ` : ''}${text}\n`;
      await session.output.bytes(fd, Buffer.from(line));
    }
    return 0;
  },
});

function requestLogs(session: Session, id: string, flags: Flags, timestamps: boolean) {
  return session.client.request('GET', `/containers/${pathPart(id)}/logs`, {
    query: {
      stdout: true,
      stderr: true,
      since: flags.since === '' ? undefined : timestampText(flags.since, 'since'),
      until: flags.until === '' ? undefined : timestampText(flags.until, 'until'),
      timestamps,
      follow: flags.follow,
      tail: flags.tail,
      details: flags.details,
    },
  });
}

async function clearLogs(session: Session, given: ReadonlySet<string>, names: readonly string[]): Promise<number> {
  const [other] = [...given].filter((name) => name !== 'clear');
  if (other !== undefined) throw new CliError(`conflicting options: --clear and --${other}`);
  for (const name of names) await session.client.request('DELETE', `/containers/${pathPart(name)}/logs`);
  return 0;
}

/** Colours that are legible on light and dark grounds, in turn. */
const colours = [36, 33, 32, 35, 34, 96, 93, 92, 95, 94];

/** What stands in front of the lines of each container: its name, coloured on a terminal, all of one width. */
function prefixesOf(names: readonly string[]): string[] {
  const width = Math.max(...names.map(({ length }) => length));
  const coloured = isTerminal(1);
  return names.map((name, index) => {
    const text = `${name.padEnd(width)} | `;
    return coloured ? `\u001b[${colours[index % colours.length]}m${text}\u001b[0m` : text;
  });
}
