import { pathPart } from '../../client/target.ts';
import type { FileChange } from '../../spec/engine/file-change.ts';
import { defineCommand, exactly } from '../command.ts';
import { CliError } from '../errors.ts';

const letters = ['C', 'A', 'D'] as const;

export const diff = defineCommand({
  usage: 'CONTAINER',
  summary: 'Show which files and folders a container has added, changed and deleted',
  aliases: ['gantry container diff', 'gantry diff'],
  flags: {},
  args: exactly(1),
  async run({ session, args: [name = ''] }) {
    if (name === '') throw new CliError('Container name cannot be empty');
    const changes = await session.client.json<FileChange[] | null>('GET', `/containers/${pathPart(name)}/changes`);
    session.out((changes ?? []).map(({ Kind, Path }) => `${letters[Kind]} ${Path}\n`).join(''));
    return 0;
  },
});
