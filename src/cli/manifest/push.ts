import { parseManifestDocument } from '../../spec/oci/manifest.ts';
import { formatReference, type Reference, repositoryOf } from '../../spec/reference/reference.ts';
import { defineCommand, exactly } from '../command.ts';
import { CliError } from '../errors.ts';
import { flag, types } from '../flags/types.ts';
import { copyBlobs } from '../registry/copy.ts';
import { openRegistries, type Registries } from '../registry/client.ts';
import type { Session } from '../session.ts';
import type { ManifestEntry } from './_entry.ts';
import { never, parseName } from '../registry/documents.ts';
import { checkPlatforms, listDocument } from './_list.ts';
import { entriesOf, ManifestStore } from './_store.ts';

export const pushManifest = defineCommand({
  usage: '[OPTIONS] MANIFEST_LIST',
  summary: 'Push a list of manifests to a registry',
  flags: {
    insecure: flag(types.bool, 'Accept plain HTTP, and certificates that nobody vouches for'),
    purge: flag(types.bool, 'Remove the list from this machine when it is pushed', { short: 'p' }),
  },
  args: exactly(1),
  async run({ session, flags, args: [text = ''] }) {
    const list = parseName(text);
    const store = new ManifestStore(session);
    const entries = entriesOf(store, list);
    if (entries.length === 0) throw new CliError(`${formatReference(list)} not found`);
    checkPlatforms(entries);
    const { descriptor, bytes } = listDocument(list, entries);
    const registries = openRegistries(session, flags.insecure);
    for (const entry of entries) {
      if (entry.reference.path !== list.path) await bring(session, registries, entry, list);
    }
    const { tag } = list;
    await registries.target(list).manifest(descriptor, { bytes, signal: never, ...(tag === undefined ? {} : { tag }) });
    session.out(`${descriptor.digest}\n`);
    if (flags.purge) store.remove(list);
    return 0;
  },
});

/** A registry takes a list only when its own repository has the manifests. */
async function bring(session: Session, registries: Registries, entry: ManifestEntry, list: Reference): Promise<void> {
  const { descriptor, raw, reference } = entry;
  const document = parseManifestDocument(raw, descriptor.mediaType);
  if (document.kind !== 'manifest') throw new CliError(`${formatReference(reference)} is a manifest list`);
  await copyBlobs(registries, { manifest: document.manifest, from: reference, to: list, signal: never });
  await registries.target(list).manifest(descriptor, { bytes: raw, signal: never });
  const { digest } = descriptor;
  session.out(`Pushed ref ${formatReference({ ...repositoryOf(list), digest })} with digest: ${digest}\n`);
}
