import { humanSize } from '../../base/text/units.ts';
import type { VolumeSnapshotView } from '../../spec/engine/volume-snapshot.ts';
import { pathPart } from '../../client/target.ts';
import { atLeast, defineCommand, exactly } from '../command.ts';
import { flag, listOf, types } from '../flags/types.ts';
import { formatHelp } from '../format/help.ts';
import { labelsText } from '../format/labels.ts';
import { formatRows, type RowKind } from '../format/rows.ts';
import { checkLabel, pairs } from '../key-values.ts';
import { forEachName } from '../parallel.ts';

const kind: RowKind<VolumeSnapshotView> = {
  goType: 'formatter.VolumeSnapshotContext',
  columns: {
    CreatedAt: { header: 'CREATED AT', of: ({ CreatedAt }) => CreatedAt },
    Labels: { header: 'LABELS', of: ({ Labels }) => labelsText(Labels) },
    Name: { header: 'SNAPSHOT', of: ({ Name }) => Name },
    Size: { header: 'SIZE', of: ({ Size }) => (Size === undefined ? 'N/A' : humanSize(Size)) },
    Volume: { header: 'VOLUME', of: ({ Volume }) => Volume },
  },
};

const pathOf = (volume: string): string => `/volumes/${pathPart(volume)}/snapshots`;

export const createSnapshot = defineCommand({
  usage: '[OPTIONS] VOLUME [SNAPSHOT]',
  summary: 'Keep what a volume holds now, under a name or the time',
  flags: { label: flag(listOf(checkLabel), 'Label: NAME=VALUE') },
  args: { least: 1, most: 2 },
  async run({ session, flags, args: [volume = '', Name = ''] }) {
    const body = { Name, Labels: pairs(flags.label) };
    const made = await session.client.json<VolumeSnapshotView>('POST', pathOf(volume), { body });
    session.out(`${made.Name}\n`);
    return 0;
  },
});

export const listSnapshots = defineCommand({
  usage: '[OPTIONS] VOLUME [VOLUME...]',
  summary: 'List the snapshots of volumes, oldest first',
  aliases: ['gantry volume snapshot ls', 'gantry volume snapshot list'],
  flags: {
    format: flag(types.string, formatHelp),
    quiet: flag(types.bool, 'Show only names', { short: 'q' }),
  },
  args: atLeast(1),
  async run({ session, flags, args }) {
    const lists = await Promise.all(
      args.map((volume) => session.client.json<VolumeSnapshotView[]>('GET', pathOf(volume))),
    );
    const all = lists.flat();
    if (flags.quiet) session.out(all.map(({ Name }) => `${Name}\n`).join(''));
    else session.out(await formatRows(flags.format, kind, ['Volume', 'Name', 'CreatedAt', 'Size'], all));
    return 0;
  },
});

export const removeSnapshots = defineCommand({
  usage: 'VOLUME SNAPSHOT [SNAPSHOT...]',
  summary: 'Remove snapshots of a volume',
  aliases: ['gantry volume snapshot rm', 'gantry volume snapshot remove'],
  flags: {},
  args: atLeast(2),
  run: ({ session, args: [volume = '', ...names] }) =>
    forEachName(session, names, (name) => session.client.json('DELETE', `${pathOf(volume)}/${pathPart(name)}`)),
});

export const restoreSnapshot = defineCommand({
  usage: 'VOLUME SNAPSHOT',
  summary: 'Make a volume hold again what it held when a snapshot was made; what it holds now is lost',
  flags: {},
  args: exactly(2),
  async run({ session, args: [volume = '', name = ''] }) {
    await session.client.json('POST', `${pathOf(volume)}/${pathPart(name)}/restore`);
    session.out(`${volume}\n`);
    return 0;
  },
});
