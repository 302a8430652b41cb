import type { Reference } from '../../spec/reference/reference.ts';
import { defineCommand } from '../command.ts';
import { flag, types } from '../flags/types.ts';
import { reformatJson } from '../format/json.ts';
import { openRegistries, type Registries } from '../registry/client.ts';
import type { Session } from '../session.ts';
import { fetchDocument, fetchManifest, type ManifestEntry } from './_entry.ts';
import { parseName } from '../registry/documents.ts';
import { listDocument } from './_list.ts';
import { entryJson, ManifestStore, noSuchManifest } from './_store.ts';

export const inspectManifest = defineCommand({
  usage: '[OPTIONS] [MANIFEST_LIST] MANIFEST',
  summary: 'Show a manifest or a list of them, of this machine or a registry',
  flags: {
    insecure: flag(types.bool, 'Accept plain HTTP, and certificates that nobody vouches for'),
    verbose: flag(types.bool, 'Show layers and platforms, too', { short: 'v' }),
  },
  args: { least: 1, most: 2 },
  async run({ session, flags, args }) {
    const name = parseName(args.at(-1) ?? '');
    const store = new ManifestStore(session);
    if (args.length === 2) {
      const entry = store.get(parseName(args[0] ?? ''), name);
      if (entry === undefined) throw noSuchManifest(name);
      return showManifest(session, entry, flags.verbose);
    }
    const local = store.list(name);
    if (local !== undefined) return showList(session, name, local, flags.verbose);
    const registries = openRegistries(session, flags.insecure);
    const { entry, document } = await fetchDocument(registries, name);
    if (document.kind === 'manifest') return showManifest(session, entry, flags.verbose);
    const entries = document.index.manifests.map((descriptor) => ({
      reference: { ...name, digest: descriptor.digest },
      descriptor,
      raw: new Uint8Array(),
    }));
    return showList(session, name, flags.verbose ? await complete(registries, entries) : entries, flags.verbose);
  },
});

/** With the manifests themselves; the platforms stay as the list says them. */
async function complete(registries: Registries, entries: readonly ManifestEntry[]): Promise<ManifestEntry[]> {
  const complete: ManifestEntry[] = [];
  for (const { reference, descriptor } of entries) {
    const { platform = { architecture: '', os: '' } } = descriptor;
    const found = await fetchManifest(registries, reference);
    complete.push({ ...found, descriptor: { ...found.descriptor, platform } });
  }
  return complete;
}

function showManifest(session: Session, entry: ManifestEntry, verbose: boolean): number {
  session.out(`${reformatJson(verbose ? entryJson(entry) : Buffer.from(entry.raw).toString(), '\t')}\n`);
  return 0;
}

function showList(session: Session, name: Reference, entries: readonly ManifestEntry[], verbose: boolean): number {
  const text = verbose
    ? reformatJson(`[${entries.map(entryJson).join(',')}]`, '\t')
    : Buffer.from(listDocument(name, entries).bytes).toString();
  session.out(`${text}\n`);
  return 0;
}
