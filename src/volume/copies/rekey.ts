import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { invalid } from '../../base/errors.ts';
import { randomHex64 } from '../../base/ids.ts';
import type { Volume } from '../../spec/contract/storage.ts';
import { keyForms, type KeySource, parseKeySource } from '../disk/key-source.ts';
import { keepOptions, placeKey, prepareKey } from '../disk/rekey.ts';
import { partsOf } from '../disk/parts.ts';
import { snapshotsFolder } from '../directories.ts';
import { diskOf } from '../options.ts';
import { toRecord, volumeKind } from '../record.ts';
import { volumeEvent } from '../stage.ts';
import { type CopiesContext, findVolume, refuseOthers } from './context.ts';

export interface RekeyRequest {
  /** Where the key is that opens the volume now, as the option `encrypt` has it; undefined: where that option says. */
  readonly from?: string | undefined;
  /** Where the new key is, from now on; undefined: where the option `encrypt` says. */
  readonly to?: string | undefined;
}

/**
 * Gives an encrypted volume, and its snapshots, another key; containers go on. What is encrypted stays as it is: the volume's own
 * key is encrypted anew. Done whole or not at all, also when the engine is killed in the middle.
 * @throws not-found; invalid for a volume that is not encrypted; unavailable, forbidden for keys that cannot be read or are wrong;
 * conflict while the volume is being copied.
 */
export async function rekeyVolume(ctx: CopiesContext, name: string, { from, to }: RekeyRequest): Promise<void> {
  const { state } = ctx;
  const what = `rekey ${name}`;
  refuseOthers(ctx, name, what);
  await state.order.run(name, async () => {
    const volume = findVolume(state, name);
    const { encrypt = '' } = volume.options;
    if (diskOf(volume)?.key === undefined) throw invalid(`${what}: the volume is not encrypted`);
    const [before, after] = [sourceOf(what, from ?? encrypt), sourceOf(what, to ?? encrypt)];
    if ((from ?? encrypt) === (to ?? encrypt)) {
      throw invalid(`${what}: the old key and the new one are in the same place: say where one of them is`);
    }
    state.holds.refuseHeld(name, what);
    const change = randomHex64();
    const directories = directoriesOf(state.directory, volume);
    try {
      for (const directory of directories) {
        await prepareKey(directory, change, { name, before, after, secretFolders: state.secretFolders });
      }
      const next = { ...volume, options: { ...volume.options, encrypt: to ?? encrypt } };
      await state.journal.commit({
        records: [{ op: 'put', kind: volumeKind, id: name, value: toRecord(next, { keys: change }) }],
        events: [volumeEvent('rekey', name)],
      });
      state.volumes.set(name, next);
    } catch (error) {
      for (const directory of directories) await rm(partsOf(directory).nextKeyFile, { force: true });
      throw error;
    }
    // Decided: the next boot does what is not done here.
    for (const directory of directories) await placeKey(directory);
    for (const directory of directories) await keepOptions(directory, { ...volume.options, encrypt: to ?? encrypt });
  });
}

function sourceOf(what: string, text: string): KeySource {
  const found = parseKeySource(text);
  if (found !== undefined) return found;
  throw invalid(`${what}: invalid key ${JSON.stringify(text.slice(0, 200))}: ${keyForms} is expected`);
}

/** Each has a file with the volume's key. */
const directoriesOf = (volumes: string, { name, snapshots = [] }: Volume): string[] => [
  join(volumes, name),
  ...snapshots.map((snapshot) => join(volumes, name, snapshotsFolder, snapshot.name)),
];
