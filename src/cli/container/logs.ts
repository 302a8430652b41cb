import { pathPart } from '../../client/target.ts';
import { defineCommand, exactly } from '../command.ts';
import { flag, types } from '../flags/types.ts';
import { copyOutput } from '../terminal/copy.ts';
import { timestampText } from '../timestamp.ts';
import { inspectContainer } from './api.ts';

export const logs = defineCommand({
  usage: '[OPTIONS] CONTAINER',
  summary: 'Show what a container has printed',
  aliases: ['gantry container logs', 'gantry logs'],
  flags: {
    details: flag(types.bool, 'Show the extra attributes of each line'),
    follow: flag(types.bool, 'Go on showing what is printed', { short: 'f' }),
    since: flag(types.string, 'Show only lines after a time ("2013-01-02T13:23:37Z") or since a while ago ("42m")'),
    tail: flag(types.string, 'Number of lines to show from the end', { short: 'n', initial: 'all', shown: '"all"' }),
    timestamps: flag(types.bool, 'Show the time of each line', { short: 't' }),
    until: flag(types.string, 'Show only lines before a time ("2013-01-02T13:23:37Z") or until a while ago ("42m")'),
  },
  args: exactly(1),
  async run({ session, flags, args }) {
    const { Id, Config } = await inspectContainer(session.client, args[0] as string);
    const response = await session.client.request('GET', `/containers/${pathPart(Id)}/logs`, {
      query: {
        stdout: true,
        stderr: true,
        since: flags.since === '' ? undefined : timestampText(flags.since, 'since'),
        until: flags.until === '' ? undefined : timestampText(flags.until, 'until'),
        timestamps: flags.timestamps,
        follow: flags.follow,
        tail: flags.tail,
        details: flags.details,
      },
    });
    await copyOutput(session.output, response.body, Config.Tty);
    return 0;
  },
});
