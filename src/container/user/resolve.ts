import { invalid } from '../../base/errors.ts';
import type { ProcessUser } from '../../spec/contract/launch.ts';
import { type GroupEntry, parseGroups, parsePasswd, type PasswdEntry } from './_files.ts';

/**
 * Reads a file inside the container's root, links resolved within it. Undefined when there is none; throws when it is
 * larger than `limit` bytes or no regular file.
 */
export type ReadInRoot = (path: string, limit: number) => Promise<Uint8Array | undefined>;

export interface ResolvedUser {
  readonly user: ProcessUser;
  /** The home directory of the account, `/` when it has none: the value of HOME unless the container sets one. */
  readonly home: string;
}

/** Largest account files that are read; their size is the image's choice. */
const maxFileBytes = 4 * 1024 * 1024;
/** Ids above this one are taken for negative by much software (CVE-2024-40635). */
const maxId = 0x7fff_ffff;

/**
 * The numeric identity behind Docker's `User` (`name`, `uid`, either with `:group` or `:gid`; empty is root), by the
 * account files of the image. A numeric id needs no entry. Supplementary groups of the account count only when no group
 * is named; `groupAdd` always counts. The primary group is always among the additional ones, so that dropping it from
 * a process cannot widen its rights (CVE-2022-36109).
 * @throws invalid, in Docker's words, for unknown names and ids out of range.
 */
export async function resolveUser(
  spec: string,
  groupAdd: readonly string[] | null,
  readInRoot: ReadInRoot,
): Promise<ResolvedUser> {
  const [userPart = '', groupPart = ''] = spec.split(':', 2);
  // Asked for at once, as a trip into the container's root takes longer than the reading; it may not be needed.
  const groupRead = readInRoot('/etc/group', maxFileBytes);
  groupRead.catch(() => undefined);
  const passwd = await readInRoot('/etc/passwd', maxFileBytes);
  const account = findAccount(userPart, passwd === undefined ? [] : parsePasswd(passwd));
  const needsGroups = account.name !== undefined || groupPart !== '' || (groupAdd?.length ?? 0) > 0;
  const groupFile = needsGroups ? await groupRead : undefined;
  const groups = groupFile === undefined ? [] : parseGroups(groupFile);
  const gid = groupPart === '' ? account.gid : findGroup(groupPart, groups);
  const own = groupPart === '' && account.name !== undefined ? groupsOf(account.name, groups) : [];
  const added = (groupAdd ?? []).map((name) => findGroup(name, groups));
  return {
    user: { uid: account.uid, gid, additionalGids: [...new Set([gid, ...own, ...added])] },
    home: account.home === '' ? '/' : account.home,
  };
}

/** An account; `name` is undefined for a number without an entry. */
type Account = Omit<PasswdEntry, 'name'> & { readonly name: string | undefined };

function findAccount(wanted: string, entries: Iterable<PasswdEntry>): Account {
  const id = wanted === '' ? 0 : numericId(wanted);
  for (const entry of entries) {
    if (id === undefined ? entry.name === wanted : entry.uid === id) return entry;
  }
  if (id !== undefined) return { name: undefined, uid: id, gid: 0, home: '/' };
  throw invalid(`unable to find user ${wanted.slice(0, 100)}: no matching entries in passwd file`);
}

function findGroup(wanted: string, entries: readonly GroupEntry[]): number {
  const id = numericId(wanted);
  if (id !== undefined) return id;
  const entry = entries.find((one) => one.name === wanted);
  if (entry !== undefined) return entry.gid;
  throw invalid(`unable to find group ${wanted.slice(0, 100)}: no matching entries in group file`);
}

const groupsOf = (name: string, entries: readonly GroupEntry[]): number[] =>
  entries.filter((entry) => entry.members.includes(name)).map((entry) => entry.gid);

/**
 * The id that `text` says in digits, undefined when it is a name. A number is never looked up as a name, however large
 * it is: an image could name an account `4294967296`. @throws invalid when it is out of range.
 */
function numericId(text: string): number | undefined {
  if (!/^[+-]?[0-9]+$/.test(text)) return undefined;
  const id = Number(text);
  if (id < 0 || id > maxId) throw invalid(`uids and gids must be in range 0-${maxId}`);
  return id;
}
