import { pathPart } from '../../client/target.ts';
import { defineCommand, exactly } from '../command.ts';
import { flag, types } from '../flags/types.ts';

const places = 'file:/PATH, secret:NAME or command:/PATH';

export const rekey = defineCommand({
  usage: '[OPTIONS] VOLUME',
  summary: 'Give an encrypted volume another key; what opened it before does not any more',
  flags: {
    from: flag(types.string, `Where the old key is now, if not where the volume has it from: ${places}`),
    to: flag(types.string, `Where the new key is, if not where the volume has it from: ${places}`),
  },
  args: exactly(1),
  async run({ session, flags, args: [name = ''] }) {
    const body = { From: flags.from, To: flags.to };
    await session.client.json('POST', `/volumes/${pathPart(name)}/rekey`, { body });
    session.out(`${name}\n`);
    return 0;
  },
});
