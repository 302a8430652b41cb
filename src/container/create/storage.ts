import { codeOf, invalid, messageOf } from '../../base/errors.ts';
import type { ContainerId, DiffId } from '../../base/ids.ts';
import type { Scope } from '../../base/scope.ts';
import type { ContainerContext } from '../context.ts';
import type { ContainerEntry } from '../entry.ts';
import type { MountRecord } from '../record.ts';
import { parseMode } from './binds.ts';
import { missingBindSource, type WantedMount } from './mounts.ts';

/** The mounts of a new container, and which of its volumes are to be filled from the image. */
export interface MadeMounts {
  readonly mounts: readonly MountRecord[];
  readonly copyUps: readonly { readonly volume: string; readonly path: string }[];
}

/**
 * Decides all mounts and makes the volumes that do not exist yet; `scope` takes the anonymous ones back. What
 * `--volumes-from` brings gives way to the container's own mounts.
 * @throws EngineError `invalid` for missing sources, `not-found` for missing images and drivers.
 */
export async function makeMounts(
  ctx: ContainerContext,
  id: ContainerId,
  wanted: readonly WantedMount[],
  volumesFrom: readonly string[],
  scope: Scope,
): Promise<MadeMounts> {
  const mounts: MountRecord[] = [];
  const copyUps: { volume: string; path: string }[] = [];
  const fromOthers = inheritedMounts(ctx, volumesFrom);
  scope.defer(() => ctx.runMounts.forgetImages(id));
  for (const one of wanted) {
    const isDeclaredOnly = one.kind === 'volume' && one.name === undefined && one.mode === '';
    if (isDeclaredOnly && fromOthers.has(one.target)) continue;
    fromOthers.delete(one.target);
    const made = await makeMount(ctx, id, one, scope);
    mounts.push(made);
    if (made.type === 'image') keepImages(ctx, id, mounts, scope);
    // Its files would have owners of the host's, which the mapping does not show.
    const isFilled = one.kind === 'volume' && one.copy && one.subpath === '' && one.extras?.idmap === undefined;
    if (isFilled) copyUps.push({ volume: made.name, path: one.target });
  }
  for (const mount of fromOthers.values()) {
    mounts.push(mount);
    if (mount.type === 'volume') holdVolume(ctx, id, mount.name, scope);
    if (mount.type === 'image') keepImages(ctx, id, mounts, scope);
  }
  return { mounts, copyUps };
}

/** The images that a container shows stay: their records while it exists, and their layers even when they go by force. */
function keepImages(ctx: ContainerContext, id: ContainerId, mounts: readonly MountRecord[], scope: Scope): void {
  ctx.runMounts.keepImages(id, shownImages(mounts));
  const image = mounts.at(-1)?.image?.id;
  if (image === undefined) return;
  ctx.images.retain(image, id);
  scope.defer(() => ctx.images.release(image, id));
}

/** The layers of each image that a container shows, in the order of its mounts. */
export const shownImages = (mounts: readonly MountRecord[]): (readonly DiffId[])[] =>
  mounts.flatMap(({ image }) => (image === undefined ? [] : [image.layers]));

const base = {
  name: '',
  source: '',
  driver: '',
  mode: '',
  readOnly: false,
  recursive: true,
  readOnlyNonRecursive: false,
  propagation: '',
  options: [],
  anonymous: false,
  createSource: false,
} as const;

async function makeMount(
  ctx: ContainerContext,
  id: ContainerId,
  wanted: WantedMount,
  scope: Scope,
): Promise<MountRecord> {
  switch (wanted.kind) {
    case 'bind': {
      const { kind: _kind, target, extras, ...bind } = wanted;
      if (!bind.createSource && (await ctx.host.kindOf(bind.source)) === 'missing')
        throw missingBindSource(bind.source);
      return {
        ...base,
        ...bind,
        ...bindPropagation(ctx, bind),
        type: 'bind',
        destination: target,
        ...(extras === undefined ? {} : { extras }),
      };
    }
    case 'tmpfs': {
      const { target, readOnly, options } = wanted;
      return { ...base, type: 'tmpfs', destination: target, readOnly, options };
    }
    case 'volume':
      return makeVolumeMount(ctx, id, wanted, scope);
    case 'image':
      return makeImageMount(ctx, id, wanted);
  }
}

/** Docker's rule: what holds the engine's own mounts must let go of them when the engine does. */
function bindPropagation(
  { settings }: ContainerContext,
  { source, propagation }: { readonly source: string; readonly propagation: string },
): Pick<MountRecord, 'propagation' | 'propagationChosen'> {
  const root = settings.dataRoot;
  if (!source.startsWith(root) && !root.startsWith(source)) {
    return { propagation: propagation === '' ? 'rprivate' : propagation };
  }
  if (propagation === '') return { propagation: 'rslave', propagationChosen: true };
  if (propagation === 'rslave' || propagation === 'rshared') return { propagation };
  throw invalid(
    'invalid mount config: must use either propagation mode "rslave" or "rshared" when mount source is within the daemon root, ' +
      `daemon root: ${JSON.stringify(root)}, bind mount source: ${JSON.stringify(source)}, propagation: "${propagation}"`,
  );
}

async function makeImageMount(
  ctx: ContainerContext,
  container: ContainerId,
  { source, target, subpath }: Extract<WantedMount, { kind: 'image' }>,
): Promise<MountRecord> {
  const { id, layers } = await ctx.images.resolve(source, undefined, { id: container, runs: false });
  const shown = { type: 'image', name: source, destination: target, readOnly: true, propagation: 'rprivate' } as const;
  return { ...base, ...shown, subpath, image: { id, layers } };
}

async function makeVolumeMount(
  ctx: ContainerContext,
  id: ContainerId,
  wanted: Extract<WantedMount, { kind: 'volume' }>,
  scope: Scope,
): Promise<MountRecord> {
  const volume = await ctx.volumes
    .ensure({
      ...(wanted.name === undefined ? {} : { name: wanted.name }),
      ...(wanted.driver === '' ? {} : { driver: wanted.driver }),
      labels: wanted.labels,
      options: wanted.driverOptions,
    })
    .catch((error: unknown) => {
      throw codeOf(error) === 'not-found' ? wrongRequest(error) : error;
    });
  if (wanted.name === undefined) scope.defer(() => ctx.volumes.remove(volume.name));
  holdVolume(ctx, id, volume.name, scope);
  return {
    ...base,
    type: 'volume',
    name: volume.name,
    source: volume.mountpoint,
    destination: wanted.target,
    driver: volume.driver,
    // What Docker assumes for its own driver only.
    mode: volume.driver !== 'local' && wanted.mode === 'z' ? '' : wanted.mode,
    readOnly: wanted.readOnly,
    ...(wanted.subpath === '' ? {} : { subpath: wanted.subpath }),
    ...(wanted.extras === undefined ? {} : { extras: wanted.extras }),
    anonymous: wanted.name === undefined,
  };
}

function holdVolume(ctx: ContainerContext, id: ContainerId, name: string, scope: Scope): void {
  ctx.volumes.retain(name, id);
  scope.defer(() => ctx.volumes.release(name, id));
}

/** `--volumes-from NAME[:MODE]`: other containers' mounts, at the same places; the last container wins. */
function inheritedMounts(ctx: ContainerContext, sources: readonly string[]): Map<string, MountRecord> {
  const inherited = new Map<string, MountRecord>();
  for (const text of sources) {
    if (text === '') throw invalid('volumes-from specification cannot be an empty string');
    const at = text.indexOf(':');
    const mode = at < 0 ? '' : text.slice(at + 1);
    const words = parseMode(mode);
    if (words === undefined || words.has('propagation') || words.has('copy')) {
      throw invalid(`invalid mode: ${mode.slice(0, 100)}`);
    }
    const { mounts } = containerToTakeFrom(ctx, at < 0 ? text : text.slice(0, at)).record;
    for (const mount of mounts.filter(({ type }) => type !== 'tmpfs')) {
      const readOnly = mount.readOnly || words.get('access') === 'ro';
      inherited.set(mount.destination, { ...mount, mode: '', readOnly, anonymous: false });
    }
  }
  return inherited;
}

/** With `not-found` clients would take the image for missing, and pull it. */
const wrongRequest = (error: unknown): Error => invalid(messageOf(error), error);

/** The request is wrong when there is none. */
function containerToTakeFrom(ctx: ContainerContext, nameOrId: string): ContainerEntry {
  try {
    return ctx.table.find(nameOrId);
  } catch (error) {
    throw wrongRequest(error);
  }
}
