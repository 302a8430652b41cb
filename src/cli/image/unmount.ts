import type { ImageMountView } from '../../spec/engine/image-mount.ts';
import { pathPart } from '../../client/target.ts';
import { atLeast, defineCommand } from '../command.ts';
import { CliError } from '../errors.ts';
import { flag, types } from '../flags/types.ts';
import { requireGantry } from './require-gantry.ts';
import { platformJson } from './platform.ts';

export const unmountImages = defineCommand({
  usage: '[OPTIONS] IMAGE [IMAGE...]',
  summary: 'Unmount file systems of images that were mounted on the host of the engine',
  flags: {
    all: flag(types.bool, 'All that are mounted', { short: 'a' }),
    force: flag(types.bool, 'However often it was mounted, and also while processes use it', { short: 'f' }),
    platform: flag(types.string, 'Platform of the image: os[/arch[/variant]]'),
  },
  args: atLeast(0),
  async run({ session, flags, args }) {
    if (flags.all === args.length > 0) throw new CliError('name the images to unmount, or say --all');
    await requireGantry(session, 'this engine does not mount images: it is not Gantry');
    const mounts = flags.all ? await session.client.json<ImageMountView[]>('GET', '/images/mounts') : [];
    const names = flags.all ? [...new Set(mounts.map(({ Id }) => Id))] : args;
    const query = {
      force: flags.force || flags.all,
      platform: flags.platform === '' ? undefined : platformJson(flags.platform),
    };
    for (const name of names) {
      await session.client.text('POST', `/images/${pathPart(name)}/unmount`, { query });
      session.out(`${name}\n`);
    }
    return 0;
  },
});
