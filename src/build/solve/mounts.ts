import { createHash } from 'node:crypto';
import { chmod, chown, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeTar } from '../../archive/tar/write.ts';
import { EngineError, invalid } from '../../base/errors.ts';
import { type DiffId, randomHex64 } from '../../base/ids.ts';
import type { Scope } from '../../base/scope.ts';
import type { BuiltLayer, StepMount } from '../../spec/contract/build.ts';
import type { RunMount } from '../graph/operation.ts';
import { selectFromContext } from './context-source.ts';
import { copyMembers } from './copy.ts';
import { inlineSource } from './inline-source.ts';
import { digestOf } from './keys.ts';
import { explained, MissingFile } from './missing-file.ts';
import { statOf } from './root-source.ts';
import type { BuiltRoot, BuiltSource, OperationScope } from './scope.ts';

/** What RUN's mounts bring into a step, until its scope ends. */
export interface MountedStep {
  readonly mounts: readonly StepMount[];
  /** Secrets that are given as variables, and where an agent is. */
  readonly env: readonly string[];
}

/** What the result of a RUN depends on by its mounts: what they show, but neither secrets nor caches. */
export async function mountKeys(scope: OperationScope, mounts: readonly RunMount[]): Promise<readonly unknown[]> {
  const keys: unknown[] = [];
  for (const mount of mounts) {
    if (mount.type === 'bind') keys.push(await keyOf(await scope.source(mount.from), mount.source));
    // What a new cache begins with is no part of the key, but has to be there before the step begins.
    else if (mount.type === 'cache') await scope.source(mount.from).then(() => keys.push(mount.type));
    else keys.push(mount.type);
  }
  return keys;
}

async function keyOf(source: BuiltSource, path: string): Promise<string> {
  if (source.kind === 'root') return source.key;
  if (source.kind === 'context') {
    return (await explained(() => selectFromContext(source.tree, path, {}), source.names)).digest;
  }
  return digestOf([source]);
}

/** @throws not-found for a secret that must be there and is not, not-implemented */
export async function mountAll(scope: OperationScope, mounts: readonly RunMount[], until: Scope): Promise<MountedStep> {
  const made: StepMount[] = [];
  const env: string[] = [];
  let agents = 0;
  for (const mount of mounts) {
    switch (mount.type) {
      case 'tmpfs':
        made.push({ kind: 'tmpfs', target: mount.target, options: mount.size > 0 ? [`size=${mount.size}`] : [] });
        break;
      case 'bind':
        made.push(await bindOf(scope, mount));
        break;
      case 'cache':
        made.push(await cacheOf(scope, mount, until));
        break;
      case 'secret': {
        const secret = await secretBytes(scope, mount);
        // As with BuildKit the variable is there all the same.
        if (secret === undefined && mount.env !== undefined) env.push(`${mount.env}=`);
        if (secret === undefined) break;
        if (mount.env !== undefined) env.push(`${mount.env}=${Buffer.from(secret).toString()}`);
        if (mount.target !== undefined) made.push(await secretFile(scope, mount, mount.target, secret, until));
        break;
      }
      case 'ssh': {
        const target = mount.target ?? `/run/buildkit/ssh_agent.${agents++}`;
        // As with BuildKit, also where there is no agent.
        if (!env.some((one) => one.startsWith('SSH_AUTH_SOCK='))) env.push(`SSH_AUTH_SOCK=${target}`);
        const path = await agentOf(scope, mount, until);
        if (path !== undefined) made.push({ kind: 'bind', source: path, target, readOnly: false });
      }
    }
  }
  return { mounts: made, env };
}

type Of<Type extends RunMount['type']> = Extract<RunMount, { type: Type }>;

async function bindOf(scope: OperationScope, { from, source, target, readonly }: Of<'bind'>): Promise<StepMount> {
  const shown = await scope.source(from);
  const layers = await layersOf(scope, from, source);
  const place = shown.kind === 'root' && source !== '/' ? await placeIn(scope, shown, source) : source;
  return { kind: 'layers', layers, subpath: place.replace(/^\/+/, ''), target, writable: !readonly };
}

/** Where a path leads in a root, without any link. @throws EngineError `not-found` */
function placeIn(scope: OperationScope, root: BuiltRoot, path: string): Promise<string> {
  const missing = (cause?: unknown): EngineError =>
    new EngineError('not-found', `${JSON.stringify(path)}: not found`, { cause });
  return scope.onView(root, async (view) => {
    if (view === undefined) throw missing();
    const slash = path.lastIndexOf('/');
    const parent = await view.directory(path.slice(0, slash) || '/').catch((error: unknown) => {
      throw missing(error);
    });
    const place = `${parent === '/' ? '' : parent}/${path.slice(slash + 1)}`;
    const stat = await statOf(view, place);
    const found = stat?.linkTarget ? stat.linkTarget : place;
    if (stat === undefined || (await statOf(view, found)) === undefined) throw missing();
    return found;
  });
}

/** What a mount shows, as layers; of files that are no root only what is at `path`. */
async function layersOf(scope: OperationScope, from: number, path: string): Promise<readonly DiffId[]> {
  const shown = await scope.source(from);
  const layers = shown.kind === 'root' ? shown.layers : [await filesLayer(scope, shown, path)];
  return layers.map(({ diffId }) => diffId);
}

/** Files of a context, or a heredoc's, are shown as a layer, as they would be copied. */
async function filesLayer(
  { input, ports }: OperationScope,
  shown: Exclude<BuiltSource, { kind: 'root' }>,
  path: string,
): Promise<BuiltLayer> {
  const [source] =
    shown.kind === 'inline'
      ? [inlineSource(shown, ports.clock)]
      : (await explained(() => selectFromContext(shown.tree, path, {}), shown.names)).sources;
  if (source === undefined) throw new MissingFile(path);
  const folder = source.isDirectory ? path : path.slice(0, path.lastIndexOf('/') + 1);
  const time = Number(ports.clock.nowNs() / 1_000_000_000n);
  const wishes = { destination: `${folder}/`, owner: undefined, mode: undefined, time, onlyNew: false };
  const layer = await input.content.storeLayer(writeTar(copyMembers(undefined, [{ source, wishes }])), input.signal);
  if (layer === undefined) throw invalid(`cannot mount ${JSON.stringify(path)}: there is nothing in it`);
  return layer;
}

/** A cache is a volume of its own, named after its id: it can be listed, looked into and removed as any other. */
async function cacheOf(scope: OperationScope, mount: Of<'cache'>, until: Scope): Promise<StepMount> {
  const { ports } = scope;
  const layers = await layersOf(scope, mount.from, mount.source);
  const name = `build-cache-${createHash('sha256').update(mount.id).digest('hex').slice(0, 16)}`;
  const { name: taken, release } = await ports.cacheMounts.take(name, mount.sharing, scope.input.signal);
  until.defer(release);
  const seed = layers.length === 0 ? undefined : { layers, path: mount.source };
  await ports.steps.cacheVolume({ name: taken, id: mount.id, owner: mount.owner, seed });
  return { kind: 'volume', name: taken, target: mount.target, readOnly: mount.readonly };
}

/** Where the client's agent is reached, as long as the step runs. */
async function agentOf(
  { input, ports }: OperationScope,
  { id, owner, required }: Of<'ssh'>,
  until: Scope,
): Promise<string | undefined> {
  const { signal } = input;
  const there = { ...owner, ...ports.steps.hostOwner(owner) };
  const socket = await input.agents(id, { directory: ports.secretDirectory, owner: there, signal });
  if (socket !== undefined) {
    until.defer(() => socket.close());
    return socket.path;
  }
  if (required) throw new EngineError('not-found', `ssh agent ${id}: the client forwards none: use --ssh`);
  return undefined;
}

async function secretBytes({ input }: OperationScope, mount: Of<'secret'>): Promise<Uint8Array | undefined> {
  const secret = await input.secrets(mount.id, input.signal);
  if (secret === undefined && mount.required) throw new EngineError('not-found', `secret ${mount.id}: not found`);
  return secret;
}

/** It lies in a folder that only the engine can enter, as long as the step runs. */
async function secretFile(
  { ports }: OperationScope,
  { owner }: Of<'secret'>,
  target: string,
  secret: Uint8Array,
  until: Scope,
): Promise<StepMount> {
  const folder = join(ports.secretDirectory, randomHex64());
  await mkdir(folder, { mode: 0o700 });
  until.defer(() => rm(folder, { recursive: true, force: true }));
  const source = join(folder, 'secret');
  await writeFile(source, secret, { mode: 0o600 });
  const { uid, gid } = ports.steps.hostOwner(owner);
  await chown(source, uid, gid);
  await chmod(source, owner.mode);
  return { kind: 'bind', source, target, readOnly: true };
}
