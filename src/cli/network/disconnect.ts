import { pathPart } from '../../client/target.ts';
import { defineCommand, exactly } from '../command.ts';
import { flag, types } from '../flags/types.ts';

export const disconnect = defineCommand({
  usage: '[OPTIONS] NETWORK CONTAINER',
  summary: 'Take a container off a network',
  flags: { force: flag(types.bool, 'Also when something of it is missing', { short: 'f' }) },
  args: exactly(2),
  async run({ session, flags, args }) {
    const [network = '', container = ''] = args;
    await session.client.json('POST', `/networks/${pathPart(network)}/disconnect`, {
      body: { Container: container, Force: flags.force },
    });
    return 0;
  },
});
