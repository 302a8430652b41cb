import { chmod, chown, mkdir, readFile, stat, unlink } from 'node:fs/promises';
import net from 'node:net';
import { dirname } from 'node:path';
import { EngineError } from '../../base/errors.ts';
import { isDecimal } from '../../base/text/digits.ts';

export interface SocketOptions {
  /** Permission bits, 0660 by default. */
  readonly mode?: number;
  /** Name or number of the owning group; a name that the host does not have leaves root's. */
  readonly group?: string;
}

/** The longest path that fits into a socket address (unix(7)), without its NUL. */
const longestPath = 107;

/**
 * Binds a unix socket that nobody else can connect to for even a moment: it comes into being with the final mode, as
 * the umask decides (bind and listen are synchronous), and gets its group afterwards.
 * @throws EngineError `conflict` when another process serves the path; `invalid` for an unusable path.
 */
export async function listenOnSocket(server: net.Server, path: string, options: SocketOptions = {}): Promise<void> {
  if (Buffer.byteLength(path) > longestPath) throw new EngineError('invalid', `socket path is too long: ${path}`);
  await mkdir(dirname(path), { recursive: true, mode: 0o755 });
  await removeStale(path);
  const mode = options.mode ?? 0o660;
  const gid = await groupId(options.group ?? 'docker');
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  // Until the group is set, the group's bits would be those of root's group: the owner comes alone first.
  const before = process.umask(gid === undefined ? 0o777 & ~mode : 0o177);
  try {
    server.listen({ path }, resolve);
  } finally {
    process.umask(before);
  }
  await promise;
  server.off('error', reject);
  if (gid === undefined) return;
  await chown(path, 0, gid);
  await chmod(path, mode);
}

/** Removes a socket that no process serves any more; anything else at the path stays. */
async function removeStale(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return;
  if (!found.isSocket()) throw new EngineError('invalid', `cannot listen on ${path}: it exists and is no socket`);
  if (await answers(path)) throw new EngineError('conflict', `cannot listen on ${path}: another process serves it`);
  await unlink(path);
}

function answers(path: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const probe = net.connect({ path });
  probe.once('connect', () => resolve(true));
  // Refused: bound by nobody. A full backlog (EAGAIN) or a lack of permission means that somebody is there.
  probe.once('error', (error: NodeJS.ErrnoException) =>
    resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT'),
  );
  return promise.finally(() => probe.destroy());
}

/** The number of a group in /etc/group (group(5)); undefined when the host has no such group. */
async function groupId(group: string): Promise<number | undefined> {
  if (isDecimal(group)) return Number(group);
  const text = await readFile('/etc/group', 'utf8').catch(() => '');
  for (const line of text.split('\n')) {
    const [name, , id] = line.split(':');
    if (name === group && id !== undefined && isDecimal(id)) return Number(id);
  }
  return undefined;
}
