import { messageOf } from '../../base/errors.ts';
import { atLeast, defineCommand } from '../command.ts';
import { CliError } from '../errors.ts';
import { parseName } from '../registry/documents.ts';
import { entriesOf, ManifestStore } from './_store.ts';

export const removeManifest = defineCommand({
  usage: 'MANIFEST_LIST [MANIFEST_LIST...]',
  summary: 'Remove lists of manifests from this machine',
  flags: {},
  args: atLeast(1),
  async run({ session, args }) {
    const store = new ManifestStore(session);
    const messages: string[] = [];
    for (const text of args) {
      try {
        const list = parseName(text);
        entriesOf(store, list);
        store.remove(list);
      } catch (error) {
        messages.push(messageOf(error));
      }
    }
    if (messages.length > 0) throw new CliError(messages.join('\n'));
    return 0;
  },
});
