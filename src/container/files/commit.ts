import { conflict } from '../../base/errors.ts';
import { Scope } from '../../base/scope.ts';
import type { ByteStream } from '../../base/stream.ts';
import type { CommittedImage } from '../../spec/contract/image.ts';
import type { CommitRequest } from '../../spec/engine/commit.ts';
import type { ContainerConfig } from '../../spec/engine/container.ts';
import type { ImageRunConfig } from '../../spec/oci/image.ts';
import { type ContainerContext, emit } from '../context.ts';
import { mergeImageConfig } from '../create/merge.ts';
import type { ContainerEntry } from '../entry.ts';
import { whileFrozen } from '../pause.ts';
import { engineTargets } from '../start/apply.ts';
import { isPaused } from '../state.ts';

/**
 * `docker commit`: an image of what the container's root is now, with the container's configuration, changed as wished.
 * Its processes stand still while its files are read, unless the client wants them to run on. Gives the image's id.
 * @throws conflict, invalid for wrong changes or names: nothing was made then.
 */
export async function commitContainer(
  ctx: ContainerContext,
  entry: ContainerEntry,
  request: CommitRequest,
  signal: AbortSignal,
): Promise<string> {
  const { record } = entry;
  if (entry.removing) throw conflict(`You cannot commit container ${entry.id} which is being removed`);
  const base = runConfigOf(request.config ?? record.config);
  const changed = ctx.images.configure(base, request.changes);
  const config = runConfigOf(
    mergeImageConfig({ ...record.config, ...containerConfigOf(changed) }, runConfigOf(record.config)),
  );
  await using scope = new Scope();
  const { layers } = await scope.acquire(ctx.snapshots.use(entry.id, engineTargets), (use) => use.release());
  const { stream, read } = readOnce(ctx.files.packChanges(layers, signal));
  const commit = (): Promise<CommittedImage> =>
    ctx.images.commit({
      image: record.imageId,
      manifest: record.imageManifest,
      layer: stream,
      ...(request.compression === undefined ? {} : { compression: request.compression }),
      config,
      repository: request.repository,
      tag: request.tag,
      author: request.author,
      comment: request.comment,
      createdBy: (record.config.Cmd ?? []).join(' '),
      signal,
    });
  const image = request.pause ? await whilePaused(ctx, entry, commit, read) : await commit();
  emit(ctx, entry, 'commit', { comment: request.comment, imageID: image.id, imageRef: image.name });
  return image.id;
}

/** Halts the processes until everything is read; what comes afterwards goes on without that. */
async function whilePaused(
  ctx: ContainerContext,
  entry: ContainerEntry,
  commit: () => Promise<CommittedImage>,
  read: Promise<void>,
): Promise<CommittedImage> {
  let image: Promise<CommittedImage> | undefined;
  const tells = entry.isRunning && !isPaused(entry.record.state);
  await whileFrozen(ctx, entry, async () => {
    if (tells) emit(ctx, entry, 'pause');
    image = commit();
    await Promise.race([read, image.catch(() => undefined)]);
  });
  if (tells) emit(ctx, entry, 'unpause');
  return image ?? commit();
}

/** A stream, and when it was read to its end. */
function readOnce(source: ByteStream): { readonly stream: ByteStream; readonly read: Promise<void> } {
  const { promise: read, resolve } = Promise.withResolvers<void>();
  async function* stream(): ByteStream {
    try {
      yield* source;
    } finally {
      resolve();
    }
  }
  return { stream: stream(), read };
}

/** The part of a container's configuration that an image has; what says nothing is left out. */
function runConfigOf(config: ContainerConfig): ImageRunConfig {
  const { User, ExposedPorts, Env, Entrypoint, Cmd, Volumes, WorkingDir, Labels, StopSignal } = config;
  const { ArgsEscaped, Healthcheck, OnBuild, Shell } = config;
  const hasNames = (value: object | null | undefined): boolean => value != null && Object.keys(value).length > 0;
  return {
    ...(User === '' ? {} : { User }),
    ...(ExposedPorts !== undefined && hasNames(ExposedPorts) ? { ExposedPorts } : {}),
    ...(Env.length === 0 ? {} : { Env }),
    ...(Entrypoint === null ? {} : { Entrypoint }),
    ...(Cmd === null ? {} : { Cmd }),
    ...(Volumes !== null && hasNames(Volumes) ? { Volumes } : {}),
    ...(WorkingDir === '' ? {} : { WorkingDir }),
    ...(hasNames(Labels) ? { Labels } : {}),
    ...(StopSignal === undefined || StopSignal === '' ? {} : { StopSignal }),
    ...(ArgsEscaped === true ? { ArgsEscaped } : {}),
    ...(Healthcheck === undefined ? {} : { Healthcheck: { ...Healthcheck } }),
    ...(OnBuild === undefined || OnBuild === null || OnBuild.length === 0 ? {} : { OnBuild }),
    ...(Shell === undefined || Shell.length === 0 ? {} : { Shell }),
  };
}

/** The other way round: what is left out says nothing. */
function containerConfigOf(config: ImageRunConfig): Partial<ContainerConfig> {
  const names = (value: object | undefined): Record<string, Record<string, never>> =>
    Object.fromEntries(Object.keys(value ?? {}).map((name) => [name, {}]));
  return {
    User: config.User ?? '',
    ExposedPorts: names(config.ExposedPorts),
    Env: [...(config.Env ?? [])],
    Entrypoint: config.Entrypoint === undefined ? null : [...config.Entrypoint],
    Cmd: config.Cmd === undefined ? null : [...config.Cmd],
    Volumes: names(config.Volumes),
    WorkingDir: config.WorkingDir ?? '',
    Labels: { ...config.Labels },
    StopSignal: config.StopSignal ?? '',
    ...(config.Healthcheck === undefined ? {} : { Healthcheck: { ...config.Healthcheck } }),
    ...(config.OnBuild === undefined ? {} : { OnBuild: [...config.OnBuild] }),
    ...(config.Shell === undefined ? {} : { Shell: [...config.Shell] }),
  };
}
