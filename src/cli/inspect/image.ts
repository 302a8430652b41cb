import { atLeast, defineCommand } from '../command.ts';
import { flag, types } from '../flags/types.ts';
import { inspectFormatHelp } from '../format/help.ts';
import { needsVersion } from '../image/needs-version.ts';
import { platformJson } from '../image/platform.ts';
import { findImage } from './_find.ts';
import { inspectAll } from './_inspect.ts';

export const inspectImage = defineCommand({
  usage: '[OPTIONS] IMAGE [IMAGE...]',
  summary: 'Show all that is known of images',
  flags: {
    format: flag(types.string, inspectFormatHelp, { short: 'f' }),
    platform: flag(types.string, 'Of this platform: os[/arch[/variant]]'),
  },
  args: atLeast(1),
  async run({ session, flags, args }) {
    if (flags.platform !== '') await needsVersion(session, 'platform', '1.49');
    const platform = flags.platform === '' ? undefined : platformJson(flags.platform);
    return inspectAll(session, args, flags.format, (name) => findImage(session, name, platform));
  },
});
