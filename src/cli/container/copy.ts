import { pathPart } from '../../client/target.ts';
import { defineCommand, exactly } from '../command.ts';
import { CliError } from '../errors.ts';
import { flag, types } from '../flags/types.ts';
import {
  absoluteLocal,
  assertsDirectory,
  checkTarget,
  cleanLocal,
  type CopyPoint,
  planCopy,
  sourcePoint,
  splitArgument,
  splitEntry,
  targetPoint,
} from '../local/paths.ts';
import { packLocal } from '../local/pack.ts';
import { unpackLocal } from '../local/unpack.ts';
import type { Session } from '../session.ts';
import { isTerminal } from '../terminal/tty.ts';
import { readUpload } from '../upload.ts';
import { type CopyProgress, counted, showCopyProgress } from './_copy-progress.ts';
import { isDirectoryMode, isLinkMode, isPlainMode, type PathStat, readPathStat, statHeader } from './_path-stat.ts';

/** Everything about one copy. */
interface Copy {
  readonly session: Session;
  readonly container: string;
  readonly source: string;
  readonly target: string;
  readonly follow: boolean;
  readonly archive: boolean;
  readonly quiet: boolean;
}

export const copy = defineCommand({
  usage: '[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n\tgantry cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH',
  summary: 'Copy files and folders between a container and the local file system',
  details: [
    "Use '-' as the source to read a tar archive from stdin and extract it to a directory in a container.",
    "Use '-' as the destination to stream a tar archive of a container's files to stdout.",
  ].join('\n'),
  aliases: ['gantry container cp', 'gantry cp'],
  flags: {
    archive: flag(types.bool, 'Archive mode (copy all uid/gid information)', { short: 'a' }),
    'follow-link': flag(types.bool, 'Always follow symbolic links in SRC_PATH', { short: 'L' }),
    quiet: flag(types.bool, 'Show no progress (the default where no terminal is attached)', { short: 'q' }),
  },
  args: exactly(2),
  async run({ session, flags, given, args: [source = '', target = ''] }) {
    if (source === '') throw new CliError('source can not be empty');
    if (target === '') throw new CliError('destination can not be empty');
    const from = splitArgument(source);
    const to = splitArgument(target);
    if (from.container !== '' && to.container !== '') throw new CliError('copying between containers is not supported');
    const container = from.container || to.container;
    if (container === '') throw new CliError('must specify at least one container source');
    const wishes = {
      session,
      container,
      source: from.path,
      target: to.path,
      follow: flags['follow-link'],
      archive: flags.archive,
      quiet: given.has('quiet') ? flags.quiet : !isTerminal(1),
    };
    await (from.container === '' ? copyIn(wishes) : copyOut(wishes));
    return 0;
  },
});

const archivePath = (container: string): string => `/containers/${pathPart(container)}/archive`;

async function copyOut({ session, container, source, target, follow, quiet }: Copy): Promise<void> {
  const destination = target === '-' ? '-' : absoluteLocal(target);
  if (destination !== '-') checkTarget(destination);
  const followed = follow ? await followLink(session, container, source) : undefined;
  const path = followed?.path ?? source;
  const response = await session.client.request('GET', archivePath(container), { query: { path } });
  if (destination === '-') {
    for await (const chunk of response.body) await session.output.bytes(1, chunk);
    return;
  }
  const stat = readPathStat(response.headers.get(statHeader) ?? '');
  const point: CopyPoint = { path, exists: true, isDirectory: isDirectoryMode(stat.mode) };
  const plan = planCopy(point, targetPoint(destination));
  const name = plan.name ?? followed?.name;
  const rename = name === undefined ? undefined : { from: splitEntry(path).base, to: name };
  const receive = (body: AsyncIterable<Uint8Array>): Promise<void> => unpackLocal(body, plan.directory, rename);
  if (quiet) return receive(response.body);
  await showCopyProgress(session, 'Copying from container - ', destination, (progress) =>
    receive(counted(response.body, progress)),
  );
}

/** What a link in a container means, and what the copy of it is called. */
async function followLink(
  session: Session,
  container: string,
  source: string,
): Promise<{ path: string; name: string } | undefined> {
  const stat = await statInContainer(session, container, source).catch(() => undefined);
  if (stat === undefined || !isLinkMode(stat.mode)) return undefined;
  return { path: linkTarget(source, stat), name: splitEntry(source).base };
}

const linkTarget = (path: string, { linkTarget: target }: PathStat): string =>
  target.startsWith('/') ? target : cleanLocal(`${splitEntry(path).directory}/${target}`);

async function copyIn({ session, container, source, target, follow, archive, quiet }: Copy): Promise<void> {
  const point = await containerTarget(session, container, target);
  if (source === '-') {
    if (!point.isDirectory) throw new CliError(`destination "${container}:${target}" must be a directory`);
    return upload(session, container, point.path, readUpload('-'), archive);
  }
  const local = absoluteLocal(source);
  const from = sourcePoint(local, follow);
  const plan = planCopy(from, point);
  const name = plan.name ?? from.rebase ?? splitEntry(local).base;
  const body = packLocal(assertsDirectory(local) ? `${cleanLocal(local)}/.` : local, name, follow);
  if (quiet) return upload(session, container, plan.directory, body, archive);
  await showCopyProgress(session, 'Copying to container - ', `${container}:${point.path}`, (progress: CopyProgress) =>
    upload(session, container, plan.directory, counted(body, progress), archive),
  );
}

/** Where a copy into a container goes; a link there is followed. */
async function containerTarget(session: Session, container: string, target: string): Promise<CopyPoint> {
  let path = target;
  let stat: PathStat | undefined;
  try {
    stat = await statInContainer(session, container, path);
    if (isLinkMode(stat.mode)) {
      path = linkTarget(path, stat);
      stat = await statInContainer(session, container, path);
    }
  } catch {
    // Perhaps its parent is there; if not, the engine says so.
    stat = undefined;
  }
  if (stat !== undefined && !isPlainMode(stat.mode)) {
    throw new CliError(
      `destination "${container}:${target}" must be a directory or a regular file: got ${isDirectoryMode(stat.mode) ? 'a directory' : 'a device'}`,
    );
  }
  return { path, exists: stat !== undefined, isDirectory: stat !== undefined && isDirectoryMode(stat.mode) };
}

async function statInContainer(session: Session, container: string, path: string): Promise<PathStat> {
  const response = await session.client.request('HEAD', archivePath(container), { query: { path } });
  for await (const _ of response.body);
  return readPathStat(response.headers.get(statHeader) ?? '');
}

async function upload(
  session: Session,
  container: string,
  path: string,
  body: AsyncIterable<Uint8Array>,
  archive: boolean,
): Promise<void> {
  const query = { path, noOverwriteDirNonDir: 'true', copyUIDGID: archive ? 'true' : undefined };
  const response = await session.client.request('PUT', archivePath(container), { query, body });
  for await (const _ of response.body);
}
