import { pathPart } from '../../client/target.ts';
import { defineCommand, exactly } from '../command.ts';

export const rename = defineCommand({
  usage: 'VOLUME NEW_NAME',
  summary: 'Give a volume that no container uses another name',
  flags: {},
  args: exactly(2),
  async run({ session, args: [old = '', name = ''] }) {
    await session.client.json('POST', `/volumes/${pathPart(old)}/rename`, { query: { name } });
    return 0;
  },
});
