import { messageOf } from '../../base/errors.ts';
import { formatReference } from '../../spec/reference/reference.ts';
import { atLeast, defineCommand } from '../command.ts';
import { CliError } from '../errors.ts';
import { flag, types } from '../flags/types.ts';
import { openRegistries } from '../registry/client.ts';
import { fetchManifest } from './_entry.ts';
import { parseName } from '../registry/documents.ts';
import { ManifestStore } from './_store.ts';

export const createManifest = defineCommand({
  usage: 'MANIFEST_LIST MANIFEST [MANIFEST...]',
  summary: 'Begin a list of manifests on this machine, to be pushed to a registry',
  flags: {
    amend: flag(types.bool, 'Add to a list that is there already', { short: 'a' }),
    insecure: flag(types.bool, 'Accept plain HTTP, and certificates that nobody vouches for'),
  },
  args: atLeast(2),
  async run({ session, flags, args: [text = '', ...manifests] }) {
    const list = parseListName(text);
    const store = new ManifestStore(session);
    if (store.list(list) !== undefined && !flags.amend) {
      throw new CliError('refusing to amend an existing manifest list with no --amend flag');
    }
    const registries = openRegistries(session, flags.insecure);
    for (const name of manifests.map(parseName)) {
      store.save(list, store.get(list, name) ?? (await fetchManifest(registries, name)));
    }
    session.out(`Created manifest list ${formatReference(list)}\n`);
    return 0;
  },
});

function parseListName(text: string) {
  try {
    return parseName(text);
  } catch (error) {
    throw new CliError(`error parsing name for manifest list ${text}: ${messageOf(error)}`);
  }
}
