import { alignTabs } from '../../base/text/table.ts';
import type { ImageMountView } from '../../spec/engine/image-mount.ts';
import { pathPart } from '../../client/target.ts';
import { atLeast, defineCommand } from '../command.ts';
import { flag, types } from '../flags/types.ts';
import type { Session } from '../session.ts';
import { requireGantry } from './require-gantry.ts';
import { platformJson } from './platform.ts';

export const mountImages = defineCommand({
  usage: '[OPTIONS] [IMAGE...]',
  summary: 'Mount file systems of images on the host of the engine, read-only, or list them',
  flags: { platform: flag(types.string, 'Platform of the image: os[/arch[/variant]]') },
  args: atLeast(0),
  async run({ session, flags, args }) {
    await requireGantry(session, 'this engine does not mount images: it is not Gantry');
    if (args.length === 0) {
      await listMounts(session);
      return 0;
    }
    const query = { platform: flags.platform === '' ? undefined : platformJson(flags.platform) };
    for (const name of args) {
      const path = `/images/${pathPart(name)}/mount`;
      const mounted = await session.client.json<ImageMountView>('POST', path, { query });
      session.out(args.length === 1 ? `${mounted.Path}\n` : `${name} ${mounted.Path}\n`);
    }
    return 0;
  },
});

async function listMounts(session: Session): Promise<void> {
  const mounts = await session.client.json<ImageMountView[]>('GET', '/images/mounts');
  const rows = mounts.map(({ Id, RepoTags, Platform, Count, Path }) =>
    [RepoTags[0] ?? Id.slice(7, 19), Platform, Count, Path].join('\t'),
  );
  session.out(`${alignTabs([['IMAGE', 'PLATFORM', 'COUNT', 'PATH'].join('\t'), ...rows].join('\n'))}\n`);
}
