import type { ContainerId, DiffId } from '../base/ids.ts';
import type { createContainerService } from '../container/service.ts';
import type { ImageService } from '../image/service.ts';
import { type AsideRecord, type AsideRecords, databaseKind } from '../spec/contract/state.ts';
import type { StoreCheckView, StoreProblem } from '../spec/engine/store-check.ts';
import type { StateDb } from '../store/db/open.ts';
import type { OwnedSnapshots } from '../store/snapshots/snapshots.ts';

interface CheckedRooms {
  readonly db: Pick<StateDb, 'check'>;
  readonly aside: AsideRecords;
  readonly images: Pick<ImageService, 'check' | 'revive' | 'writeAgain' | 'sweep'>;
  readonly containers: Pick<ReturnType<typeof createContainerService>, 'salvage' | 'writeAgain' | 'names'>;
  readonly snapshots: Pick<OwnedSnapshots, 'list'>;
}

type Options = Parameters<ImageService['check']>[0];

/**
 * Looks at everything that the engine keeps: the state database, the records that could not be read, then all blobs and
 * layers. With `repair` what can be restored is; unused content that was kept for those records is deleted at last.
 */
export async function checkEngine(rooms: CheckedRooms, options: Options): Promise<StoreCheckView> {
  options.progress({ status: 'Checking the state database' });
  const { records, problems } = await checkState(rooms, options.repair);
  const wasHeld = rooms.aside.ofContent().length > 0;
  problems.push(...(await checkAside(rooms, options.repair)));
  const report = await rooms.images.check({ ...options, containers: layersOfContainers(rooms) });
  if (wasHeld) await rooms.images.sweep();
  return { ...report, Records: records, Problems: [...problems, ...report.Problems] };
}

/** By layer, the containers that stand on it. */
function layersOfContainers({ snapshots, containers }: CheckedRooms): ReadonlyMap<DiffId, readonly string[]> {
  const users = new Map<DiffId, string[]>();
  for (const { id, layers } of snapshots.list()) {
    for (const layer of layers) {
      const names = users.get(layer) ?? [];
      names.push(containers.names(id) ?? id);
      users.set(layer, names);
    }
  }
  return users;
}

const problem = (Kind: StoreProblem['Kind'], Id: string, Message: string): StoreProblem => ({
  Kind,
  Id,
  Images: [],
  Message,
  Repaired: false,
  Repair: '',
});

async function checkState(
  rooms: CheckedRooms,
  repair: boolean,
): Promise<{ records: number; problems: StoreProblem[] }> {
  const { records, faults, badRecords } = await rooms.db.check(repair);
  const notRepaired = 'not repaired: start the engine again, then what can be read is taken over to a new database';
  const problems = faults.map((fault) => ({
    ...problem('database', 'state.db', fault),
    Repair: repair ? notRepaired : '',
  }));
  for (const { kind, id, reason, isMended } of badRecords) {
    const found = problem('record', `${kind} ${id}`, reason);
    if (isMended) problems.push({ ...found, Repaired: true, Repair: 'the bit was put right' });
    else problems.push({ ...found, ...(repair ? await writeAgain(rooms, kind, id) : {}) });
  }
  return { records, problems };
}

/** What the engine works with is in its memory: it is sound. */
async function writeAgain(
  { images, containers }: CheckedRooms,
  kind: string,
  id: string,
): Promise<Partial<StoreProblem>> {
  const isWritten =
    kind === 'container' ? await containers.writeAgain(id as ContainerId) : await images.writeAgain(kind, id);
  if (isWritten) return { Repaired: true, Repair: 'written again as it is in memory' };
  return { Repair: 'not repaired: start the engine again, then it is set aside' };
}

/** The records that could not be read when the engine started. */
async function checkAside(rooms: CheckedRooms, repair: boolean): Promise<StoreProblem[]> {
  const { aside, images, containers } = rooms;
  const records = aside.list();
  const found = (record: AsideRecord): StoreProblem =>
    record.kind === databaseKind
      ? problem('database', record.id, `records may be missing: ${record.reason}`)
      : problem('record', `${record.kind} ${record.id}`, `it cannot be read: ${record.reason}`);
  if (!repair || records.length === 0) return records.map(found);
  const outcomes = await images.revive(records);
  const salvaged = await containers.salvage();
  const databases = records.filter(({ kind }) => kind === databaseKind);
  await aside.settle(databases);
  const problems = records.map((record): StoreProblem => {
    const container = record.kind === 'container' ? salvaged.find(({ id }) => id === record.id) : undefined;
    const outcome = outcomes.get(record) ?? (container === undefined ? nothingDone : outcomeOf(container));
    return { ...found(record), ...outcome };
  });
  const rest = salvaged.filter(({ id }) => !records.some((record) => record.kind === 'container' && record.id === id));
  return [
    ...problems,
    ...rest.map((one) => ({ ...problem('record', `container ${one.id}`, 'it has no record'), ...outcomeOf(one) })),
  ];
}

const nothingDone = { Repaired: false, Repair: 'not repaired' };

const outcomeOf = ({ name }: { readonly name: string | undefined }): Pick<StoreProblem, 'Repaired' | 'Repair'> =>
  name === undefined
    ? { Repaired: false, Repair: 'not repaired: nothing of it is in the store' }
    : { Repaired: true, Repair: `its files are in the new container ${name}, its settings are lost` };
