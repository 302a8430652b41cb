import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { conflict, EngineError } from '../../base/errors.ts';
import { Scope } from '../../base/scope.ts';
import type { ByteStream } from '../../base/stream.ts';
import type { ArchiveCompression } from '../../spec/contract/archives.ts';
import type { Volume } from '../../spec/contract/storage.ts';
import { makeVolumeDisk } from '../disk/make.ts';
import { mountVolumeDisk, unmountVolumeDisk } from '../disk/mount.ts';
import type { DiskSource } from '../disk/parts.ts';
import { checkVolumeName } from '../name.ts';
import { diskOf } from '../options.ts';
import type { VolumeState } from '../state.ts';
import { type CopiesContext, findVolume, needsOwnStorage, refuseOthers, refuseTaken } from './context.ts';
import { refuseRunning, replaceContent } from './snapshots.ts';
import { openStage, placeVolume, removeStage, type Stage, volumeEvent, withStage } from '../stage.ts';
import { copyContent, keepMounted, makeContent, snapshotData } from './stage.ts';

export interface ExportRequest {
  readonly compression: ArchiveCompression;
  /** Of this snapshot, instead of what the volume holds now. */
  readonly snapshot?: string | undefined;
  /** Says that the caller knows that what is exported of an encrypted volume is not encrypted. */
  readonly decrypt?: boolean;
}

/**
 * An archive of what a volume holds at one moment; a piece is valid until the next one is asked for. Of a volume that
 * containers run with a copy is made first, for which they are halted shortly; of another one the archive is made as it
 * goes out, and breaks off when a container begins to run with it: nobody waits for a client that reads slowly.
 * @throws not-found, cancelled; conflict when a container came in between.
 */
export async function* exportVolume(
  ctx: CopiesContext,
  name: string,
  { compression, snapshot, decrypt = false }: ExportRequest,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { state } = ctx;
  refuseOthers(ctx, name, `export ${name}`);
  const volume = findVolume(state, name);
  if (diskOf(volume)?.key !== undefined && !decrypt) {
    throw new EngineError(
      'forbidden',
      `export ${name}: the volume is encrypted, and what is exported is not: ask for that with --decrypt`,
    );
  }
  const came = new AbortController();
  const isRunning = state.holds.running(name).length > 0;
  const isStill = snapshot !== undefined || isRunning;
  const release = state.holds.hold(name, 'exported', () => {
    if (!isStill) came.abort(conflict(`export ${name}: a container began to run with the volume: export it again`));
  });
  const pack = (directory: string): ByteStream =>
    ctx.archives.pack(directory, { compression, signal: AbortSignal.any([signal, came.signal]) });
  try {
    await using scope = new Scope();
    yield* pack(await stillDirectory(ctx, scope, volume, { snapshot, isRunning, signal }));
    came.signal.throwIfAborted();
    const attributes = snapshot === undefined ? {} : { snapshot };
    await state.journal.commit({ events: [volumeEvent('export', name, attributes)] });
  } catch (error) {
    came.signal.throwIfAborted();
    throw error;
  } finally {
    release();
  }
}

/** A directory that holds what is to be exported, and that nobody changes; there until the scope ends. */
async function stillDirectory(
  ctx: CopiesContext,
  scope: Scope,
  volume: Volume,
  { snapshot, isRunning, signal }: { snapshot: string | undefined; isRunning: boolean; signal: AbortSignal },
): Promise<string> {
  const { state } = ctx;
  const disk = diskOf(volume);
  if (snapshot !== undefined && disk === undefined) return snapshotData(state, volume, snapshot);
  if (!isRunning && snapshot === undefined) {
    scope.defer(await keepMounted(state, volume));
    return volume.mountpoint;
  }
  const stage = await scope.acquire(openStage(state), (made) => removeStage(state, made));
  await copyContent(ctx, { name: volume.name, snapshot }, stage, { doing: 'exported', signal });
  if (disk !== undefined) {
    await mountStagedDisk(ctx, scope, stage, { name: volume.name, disk });
  }
  return stage.data;
}

/** Shows what the disk of a stage holds at the stage's own data; until the scope ends. */
async function mountStagedDisk(
  { state }: CopiesContext,
  scope: Scope,
  stage: Stage,
  { name, disk }: { readonly name: string; readonly disk: DiskSource },
): Promise<void> {
  const directory = dirname(stage.data);
  await mountVolumeDisk(directory, { name, source: disk, secretFolders: state.secretFolders });
  scope.defer(() => unmountVolumeDisk(directory));
}

/** What becomes of what a volume holds already: it must hold nothing, the archive's files come to it, or it is replaced. */
export type ImportMode = 'empty' | 'merge' | 'replace';

/**
 * Unpacks an archive into a volume, which is made when there is none. The volume holds all of it, or is as it was.
 * @throws invalid, corrupt for archives that are refused; conflict while a container runs with the volume, or when it is not
 * empty and that was not foreseen; cancelled, no-space.
 */
export async function importVolume(
  ctx: CopiesContext,
  name: string,
  archive: ByteStream,
  { mode, signal }: { readonly mode: ImportMode; readonly signal: AbortSignal },
): Promise<Volume> {
  checkVolumeName(name);
  const { state } = ctx;
  if (ctx.driverOf(name) !== undefined) refuseOthers(ctx, name, `import ${name}`);
  const existing = state.volumes.get(name);
  if (existing !== undefined) await checkImport(ctx, existing, mode);
  return withStage(state, async (stage) => {
    const disk = existing === undefined ? undefined : diskOf(existing);
    if (existing !== undefined && mode === 'merge') {
      await copyContent(ctx, { name }, stage, { doing: 'imported', signal });
    } else if (existing !== undefined && disk !== undefined) {
      const use = { name, source: disk, secretFolders: state.secretFolders };
      await makeVolumeDisk(dirname(stage.data), use, existing.options);
    } else await makeContent(stage);
    await unpackInto(ctx, archive, { name, stage, disk, signal });
    if (existing === undefined) return newVolume(ctx, name, stage);
    await checkImport(ctx, existing, mode);
    await replaceContent(state, name, stage, { what: `import ${name}`, event: volumeEvent('import', name) });
    return findVolume(state, name);
  });
}

async function unpackInto(
  ctx: CopiesContext,
  archive: ByteStream,
  { name, stage, disk, signal }: { name: string; stage: Stage; disk: DiskSource | undefined; signal: AbortSignal },
): Promise<void> {
  await using scope = new Scope();
  if (disk !== undefined) {
    await mountStagedDisk(ctx, scope, stage, { name, disk });
  }
  await ctx.archives.unpack(archive, stage.data, { signal });
}

async function checkImport({ state }: CopiesContext, { name }: Volume, mode: ImportMode): Promise<void> {
  const what = `import ${name}`;
  const volume = findVolume(state, name);
  needsOwnStorage(volume, what);
  refuseRunning(state, name, what);
  if (mode !== 'empty' || (await isEmpty(state, volume))) return;
  throw conflict(`${what}: the volume is not empty: say whether to merge the archive into it or to replace it`);
}

async function isEmpty(state: VolumeState, volume: Volume): Promise<boolean> {
  const unmount = await keepMounted(state, volume);
  try {
    return (await readdir(volume.mountpoint)).length === 0;
  } finally {
    await unmount();
  }
}

async function newVolume(ctx: CopiesContext, name: string, stage: Stage): Promise<Volume> {
  const { state } = ctx;
  return state.order.run(name, async () => {
    refuseTaken(ctx, name, `import ${name}`);
    const volume: Volume = {
      name,
      driver: 'local',
      mountpoint: join(state.directory, name, '_data'),
      labels: {},
      options: {},
      createdNs: state.clock.nowNs(),
      anonymous: false,
    };
    await placeVolume(state, stage, volume, { imported: 'true' });
    return volume;
  });
}
