import { pathPart } from '../../client/target.ts';
import type { ExecListItem } from '../../spec/engine/exec.ts';
import { defineCommand, exactly } from '../command.ts';
import { flag, types } from '../flags/types.ts';
import { formatHelp } from '../format/help.ts';
import { formatRows, type RowKind } from '../format/rows.ts';

const commandOf = ({ ProcessConfig: { entrypoint, arguments: args } }: ExecListItem): string =>
  [entrypoint, ...args].join(' ');

const statusOf = ({ Running, ExitCode }: ExecListItem): string =>
  Running ? 'Running' : ExitCode === null ? 'Created' : `Exited (${ExitCode})`;

const kindOf = (noTrunc: boolean): RowKind<ExecListItem> => ({
  goType: 'formatter.ExecContext',
  columns: {
    ID: { header: 'EXEC ID', of: ({ ID }) => (noTrunc ? ID : ID.slice(0, 12)) },
    Command: { header: 'COMMAND', of: commandOf },
    CreatedAt: { header: 'CREATED AT', of: ({ Created }) => Created },
    Status: { header: 'STATUS', of: statusOf },
    Pid: { header: 'PID', of: ({ Pid }) => Pid },
    User: { header: 'USER', of: ({ ProcessConfig }) => ProcessConfig.user ?? '' },
  },
});

export const execs = defineCommand({
  usage: '[OPTIONS] CONTAINER',
  summary: 'List the commands that were started in a running container',
  aliases: ['gantry container execs', 'gantry execs'],
  flags: {
    all: flag(types.bool, 'Show ended ones too', { short: 'a' }),
    format: flag(types.string, formatHelp),
    'no-trunc': flag(types.bool, 'Show whole ids'),
    quiet: flag(types.bool, 'Show only ids', { short: 'q' }),
  },
  args: exactly(1),
  async run({ session, flags, args }) {
    const [name = ''] = args;
    const list = await session.client.json<ExecListItem[]>('GET', `/containers/${pathPart(name)}/exec/json`);
    const shown = flags.all ? list : list.filter(({ Running }) => Running);
    const kind = kindOf(flags['no-trunc']);
    if (flags.quiet) session.out(shown.map((exec) => `${String(kind.columns['ID']?.of(exec))}\n`).join(''));
    else session.out(await formatRows(flags.format, kind, ['ID', 'Command', 'Status', 'Pid', 'User'], shown));
    return 0;
  },
});
