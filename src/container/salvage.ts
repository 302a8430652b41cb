import type { ContainerId, Digest } from '../base/ids.ts';
import { digestOfHex, tryDigest } from '../base/ids.ts';
import { type AsideRecord, databaseKind } from '../spec/contract/state.ts';
import { emptyContainerConfig, emptyHostConfig } from '../spec/engine/empty-config.ts';
import { type ContainerContext, containerEvent } from './context.ts';
import { withHostDefaults } from './create/defaults.ts';
import { mergeImageConfig } from './create/merge.ts';
import { ContainerEntry } from './entry.ts';
import { containerKind, type ContainerRecord, encodeRecord } from './record.ts';
import { createdState } from './state.ts';

/** A container that was made again, or the record of one that could not be. */
export interface Salvaged {
  readonly id: string;
  /** The new container's name; undefined when nothing of the old one is there. */
  readonly name: string | undefined;
}

/**
 * Makes containers of the writable layers whose records cannot be read: not started, without networks, volumes and
 * settings of their own, so that their files can be copied, committed, exported, and deleted by a person. Processes of
 * the old ones that run still are ended. The records are settled then.
 */
export async function salvageContainers(ctx: ContainerContext): Promise<Salvaged[]> {
  const aside = ctx.journal.aside.ofContainers();
  if (aside.length === 0) return [];
  await ctx.launcher.sweep({ has: (id) => !ctx.strangers.has(id) });
  const salvaged: Salvaged[] = [];
  for (const { id, layers, ids } of ctx.snapshots.list()) {
    if (!ctx.strangers.has(id)) continue;
    await ctx.runMounts.release(id);
    await ctx.snapshots.unmount(id);
    const record = await salvagedRecord(ctx, id, layers, aside);
    const entry = new ContainerEntry(ids === undefined ? record : { ...record, ids });
    await ctx.journal.commit({
      records: [{ op: 'put', kind: containerKind, id, value: encodeRecord(entry.record) }],
      events: [containerEvent(record, 'create')],
    });
    ctx.images.retain(record.imageId, id, record.imageManifest);
    ctx.table.add(entry);
    ctx.strangers.delete(id);
    salvaged.push({ id, name: record.name });
  }
  const lost = aside.filter(({ kind, id }) => kind !== databaseKind && !salvaged.some((one) => one.id === id));
  await ctx.journal.aside.settle(aside.filter(({ kind }) => kind === containerKind));
  return [...salvaged, ...lost.map(({ id }) => ({ id, name: undefined }))];
}

const noImage = digestOfHex('0'.repeat(64));

async function salvagedRecord(
  ctx: ContainerContext,
  id: ContainerId,
  layers: ContainerRecord['layers'],
  aside: readonly AsideRecord[],
): Promise<ContainerRecord> {
  const text = aside.find((record) => record.id === id)?.text ?? '';
  const named = tryDigest(/"imageId":"(sha256:[0-9a-f]{64})"/.exec(text)?.[1] ?? '');
  const isThere = named !== undefined && ctx.images.idOf(named) !== undefined;
  const imageId: Digest | undefined = isThere ? named : ctx.images.ofLayers(layers);
  const image = imageId === undefined ? undefined : await ctx.images.resolve(imageId).catch(() => undefined);
  const run = image?.config.config ?? {};
  const imageName = imageId ?? 'unknown';
  const command = (run.Entrypoint ?? run.Cmd ?? []).length === 0 ? { Cmd: ['sh'] } : {};
  const { settings } = ctx;
  return {
    id,
    name: freeName(ctx, id, text),
    createdNs: ctx.clock.nowNs(),
    imageId: imageId ?? noImage,
    imageName,
    imageManifest: image?.manifest.digest ?? noImage,
    platform: image === undefined ? 'linux' : `${image.platform.os}/${image.platform.architecture}`,
    layers,
    config: {
      ...mergeImageConfig({ ...emptyContainerConfig(), Image: imageName, ...command }, run),
      Hostname: id.slice(0, 12),
      // They would be new and empty: where the old ones were, nobody knows any more.
      Volumes: null,
    },
    hostConfig: withHostDefaults(
      { ...emptyHostConfig(), NetworkMode: 'none' },
      {
        containers: settings.defaults,
        runtime: settings.defaultRuntime,
        log: settings.defaultLog,
        maskedPaths: settings.maskedPaths,
        readonlyPaths: settings.readonlyPaths,
      },
    ),
    endpoints: {},
    mounts: [],
    state: createdState,
    restartCount: 0,
    stoppedByUser: false,
    sandbox: undefined,
  };
}

/** The old name, where it can still be read and is free. */
function freeName(ctx: ContainerContext, id: ContainerId, text: string): string {
  const old = /"name":"([a-zA-Z0-9][a-zA-Z0-9_.-]{0,200})"/.exec(text)?.[1];
  if (old !== undefined && !ctx.table.isNameTaken(old)) return old;
  return `recovered_${id.slice(0, 12)}`;
}
