import { EngineError, invalid, notFound } from '../../base/errors.ts';
import { Scope } from '../../base/scope.ts';
import type { ByteStream } from '../../base/stream.ts';
import type { FileStat, SocketBody } from '../../spec/contract/files.ts';
import { containerEvent, type ContainerContext, emit } from '../context.ts';
import { cleanPath } from '../create/clean-path.ts';
import type { ContainerEntry } from '../entry.ts';
import { resolveUser } from '../user/resolve.ts';
import { openFiles, openRoot } from './view.ts';

/** A container, and how the client called it: for messages. */
export interface NamedContainer {
  readonly entry: ContainerEntry;
  readonly name: string;
}

/** What is at a path, and what it is called. */
export interface NamedStat extends FileStat {
  readonly name: string;
}

/** A stream of bytes out of a container. `close` must be called, also when nothing of `content` was read. */
export interface OpenArchive {
  /** A piece is only valid until the next one is asked for. */
  readonly content: ByteStream;
  /** Instead of `content`: sends it as chunks of an HTTP body to a socket that nobody else writes to meanwhile. */
  sendTo(socket: number): Promise<void>;
  close(): Promise<void>;
}

/** `HEAD /containers/{id}/archive`: what is at `path`. @throws not-found in Docker's words. */
export async function statPath(ctx: ContainerContext, container: NamedContainer, path: string): Promise<NamedStat> {
  await using scope = new Scope();
  const { view } = await openFiles(ctx, container.entry, scope, { readOnly: true });
  return await inWords(container, path, async () => ({ ...(await view.stat(path)), name: baseName(path) }));
}

/**
 * `GET /containers/{id}/archive`: what is at `path` as an archive. A path that ends with a slash or `/.` follows a link at
 * its end, and `/.` names the members without the directory. @throws not-found in Docker's words.
 */
export async function packPath(
  ctx: ContainerContext,
  container: NamedContainer,
  path: string,
  signal: AbortSignal,
): Promise<OpenArchive & { readonly stat: NamedStat }> {
  await using scope = new Scope();
  const { view } = await openFiles(ctx, container.entry, scope, { readOnly: true });
  const absolute = keepEnding(cleanPath(path), path);
  const stat = await inWords(container, path, () => view.stat(absolute));
  emit(ctx, container.entry, 'archive-path');
  const kept = keep(scope);
  const base = baseName(absolute);
  const content = view.pack(absolute, base, signal);
  const sendTo = (socket: number): Promise<void> => view.packTo(socket, absolute, base, signal);
  return { content, sendTo, stat: { ...stat, name: baseName(absolute) }, close: () => kept[Symbol.asyncDispose]() };
}

export interface ExtractWishes {
  /** A directory and something else never take each other's place. */
  readonly keepKinds: boolean;
  /** Everything belongs to the user that the container runs as. */
  readonly toUser: boolean;
}

/** `PUT /containers/{id}/archive`: unpacks an archive into the directory at `path`. @throws invalid, not-found. */
export async function extractTo(
  ctx: ContainerContext,
  container: NamedContainer,
  path: string,
  archive: ByteStream | SocketBody,
  wishes: ExtractWishes,
  signal: AbortSignal,
): Promise<void> {
  const { entry } = container;
  await using scope = new Scope();
  const { view, root } = await openFiles(ctx, entry, scope, { readOnly: false });
  const directory = await inWords(container, path, () => view.directory(cleanPath(path)));
  checkWritable(entry, directory);
  const { User } = entry.record.config;
  const owner =
    wishes.toUser && User !== ''
      ? (await resolveUser(User, null, (file, limit) => ctx.roots.readFile(root, file, limit))).user
      : undefined;
  await view.extract(directory, archive, {
    keepKinds: wishes.keepKinds,
    signal,
    ...(owner === undefined ? {} : { owner: { uid: owner.uid, gid: owner.gid } }),
  });
  emit(ctx, entry, 'extract-to-dir');
}

/** `GET /containers/{id}/export`: the whole root as an archive, without what is in volumes and binds. */
export async function exportRoot(
  ctx: ContainerContext,
  entry: ContainerEntry,
  signal: AbortSignal,
): Promise<OpenArchive> {
  await using scope = new Scope();
  const view = await openRoot(ctx, entry, scope);
  await ctx.journal.commit({ events: [containerEvent(entry.record, 'export')], mayWait: true });
  const kept = keep(scope);
  const sendTo = (socket: number): Promise<void> => view.packTo(socket, '/', undefined, signal);
  return { content: view.pack('/', undefined, signal), sendTo, close: () => kept[Symbol.asyncDispose]() };
}

/** What was acquired so far lives on in another scope. */
function keep(scope: Scope): Scope {
  const kept = new Scope();
  for (const undo of scope.commit()) kept.defer(undo);
  return kept;
}

/** Docker decides by the texts of the mounts; the kernel enforces the same in the view. */
function checkWritable({ record }: ContainerEntry, directory: string): void {
  const holders = record.mounts
    .filter(({ destination }) => directory === destination || directory.startsWith(`${destination}/`))
    .sort((a, b) => b.destination.length - a.destination.length);
  const [holder] = holders;
  if (holder?.readOnly === true) throw invalid('mounted volume is marked read-only');
  if (holder === undefined && record.hostConfig.ReadonlyRootfs) throw invalid('container rootfs is marked read-only');
}

/** What follows the last slash; `/` of the root, `.` of what ends with it. */
function baseName(path: string): string {
  let end = path.length;
  while (end > 1 && path[end - 1] === '/') end--;
  const name = path.slice(0, end);
  return name === '/' ? '/' : name.slice(name.lastIndexOf('/') + 1);
}

/** A clean path, with the slash or `/.` that the original ends with. */
function keepEnding(clean: string, original: string): string {
  if (original === '.' || original.endsWith('/.')) return clean === '/' ? '/.' : `${clean}/.`;
  return original.endsWith('/') && clean !== '/' ? `${clean}/` : clean;
}

const systemWords: Readonly<Record<string, string>> = {
  ENOTDIR: 'not a directory',
  ELOOP: 'too many levels of symbolic links',
  ENAMETOOLONG: 'file name too long',
};

/** Looks at a path; what the kernel refuses is told in Docker's words. */
async function inWords<T>({ name }: NamedContainer, path: string, look: () => Promise<T>): Promise<T> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof EngineError) throw error;
    const code = (error as { code?: unknown }).code;
    if (code === 'ENOENT') throw notFound(`Could not find the file ${path} in container ${name}`);
    const words = systemWords[String(code)];
    if (words !== undefined) throw invalid(`lstat ${path}: ${words}`, error);
    throw error;
  }
}
