/** One line of /etc/passwd (passwd(5)). */
export interface PasswdEntry {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

/** One line of /etc/group (group(5)). */
export interface GroupEntry {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

const maxId = 0x7fff_ffff;

/**
 * The entries of a passwd file. Comments and lines that are not whole are passed over: an unreadable number must not
 * become 0, which is root.
 */
export function* parsePasswd(bytes: Uint8Array): Generator<PasswdEntry> {
  for (const line of linesOf(bytes)) {
    const [name, , uid, gid, , home] = line.split(':');
    const user = idOf(uid);
    const group = idOf(gid);
    if (name === undefined || name === '' || user === undefined || group === undefined) continue;
    yield { name, uid: user, gid: group, home: home ?? '' };
  }
}

/** The entries of a group file, by the same rules. */
export function parseGroups(bytes: Uint8Array): GroupEntry[] {
  const entries: GroupEntry[] = [];
  for (const line of linesOf(bytes)) {
    const [name, , gid, members] = line.split(':');
    const group = idOf(gid);
    if (name === undefined || name === '' || group === undefined) continue;
    entries.push({ name, gid: group, members: members === undefined || members === '' ? [] : members.split(',') });
  }
  return entries;
}

function* linesOf(bytes: Uint8Array): Generator<string> {
  const text = new TextDecoder().decode(bytes);
  for (let at = 0; at < text.length; ) {
    const newline = text.indexOf('\n', at);
    const end = newline < 0 ? text.length : newline;
    const line = text.slice(at, end).trim();
    if (line !== '' && !line.startsWith('#') && !line.includes('\0')) yield line;
    at = end + 1;
  }
}

function idOf(text: string | undefined): number | undefined {
  if (text === undefined || !/^[0-9]{1,10}$/.test(text)) return undefined;
  const id = Number(text);
  return id <= maxId ? id : undefined;
}
