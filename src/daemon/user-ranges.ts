import { readFile } from 'node:fs/promises';
import { invalid, messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { UserNamespaceSettings } from '../container/ports.ts';
import type { HostRange } from '../container/user-namespace/ranges.ts';
import type { IdMapping, IdRange } from '../spec/contract/user-namespace.ts';
import { run } from '../sys/process/run.ts';
import type { ContainerDefaults } from './settings/sections.ts';

/** Docker's user for `default`. */
const remappedUser = 'dockremap';
/** Ids that hosts give to nobody, for `auto` where the operator named none. */
const defaultPool: readonly HostRange[] = [{ start: 0x8000_0000, count: 0x7ff0_0000 }];

/** A line of passwd(5) or group(5): what it names, and the number. */
interface Account {
  readonly name: string;
  readonly id: number;
}

/**
 * What the settings say of user namespaces, with the ranges of /etc/subuid and /etc/subgid (subuid(5)).
 * @throws invalid when there is no such user, or when it has no subordinate ids.
 */
export async function readUserNamespaceSettings(
  { usernsRemap, usernsAutoUser }: ContainerDefaults,
  log: Logger,
): Promise<UserNamespaceSettings> {
  const [uids, gids] = await Promise.all([
    subordinateIds('/etc/subuid', usernsAutoUser, undefined),
    subordinateIds('/etc/subgid', usernsAutoUser, undefined),
  ]);
  const auto = uids.length > 0 && gids.length > 0 ? { uids, gids } : { uids: defaultPool, gids: defaultPool };
  return { auto, ids: usernsRemap === undefined ? undefined : await remappedIds(usernsRemap, log) };
}

async function remappedIds(text: string, log: Logger): Promise<IdMapping | undefined> {
  const [userText = '', groupText, more] = text.split(':');
  if (userText === '' || groupText === '' || more !== undefined) {
    throw invalid(`Invalid User/Group specification in --userns-remap: ${JSON.stringify(text)}`);
  }
  if (userText === 'default') await ensureRemappedUser(log);
  const user = await account('/etc/passwd', userText === 'default' ? remappedUser : userText, 'user');
  if (user.id === 0) {
    log.warn('user namespaces: root cannot be remapped with itself; user namespaces are OFF');
    return undefined;
  }
  const group = await account('/etc/group', groupText ?? user.name, 'group');
  const [uids, gids] = await Promise.all([
    subordinateIds('/etc/subuid', user.name, user.id),
    subordinateIds('/etc/subgid', group.name, group.id),
  ]);
  if (uids.length === 0) throw invalid(`Can't create ID mappings: No subuid ranges found for user "${user.name}"`);
  if (gids.length === 0) throw invalid(`Can't create ID mappings: No subgid ranges found for group "${group.name}"`);
  return { uids: oneAfterTheOther(uids), gids: oneAfterTheOther(gids) };
}

/** Several ranges follow each other inside, in the order of the file. */
function oneAfterTheOther(ranges: readonly HostRange[]): IdRange[] {
  let inside = 0;
  return ranges.map(({ start, count }) => {
    const range = { inside, outside: start, size: count };
    inside += count;
    return range;
  });
}

async function account(file: string, nameOrId: string, what: 'user' | 'group'): Promise<Account> {
  const isId = /^[0-9]{1,10}$/.test(nameOrId);
  for (const line of await linesOf(file)) {
    const [name = '', , id = ''] = line.split(':');
    if (name === nameOrId || (isId && Number(id) === Number(nameOrId))) return { name, id: Number(id) };
  }
  throw invalid(`no such ${what} for --userns-remap: ${JSON.stringify(nameOrId.slice(0, 100))} is not in ${file}`);
}

/** The ranges that subuid(5) gives to a name or number; what is no range is left out. */
async function subordinateIds(file: string, name: string, id: number | undefined): Promise<HostRange[]> {
  const owners = id === undefined ? [name] : [name, String(id)];
  return (await linesOf(file)).flatMap((line) => {
    const [owner = '', start = '', count = ''] = line.split(':');
    if (!owners.includes(owner) || !/^[0-9]{1,10}$/.test(start) || !/^[0-9]{1,10}$/.test(count)) return [];
    return Number(count) > 0 ? [{ start: Number(start), count: Number(count) }] : [];
  });
}

async function linesOf(file: string): Promise<string[]> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    if ((error as { code?: string }).code === 'ENOENT') return '';
    throw error;
  });
  return text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
}

/** As Docker does: a system user without rights, whose number nothing runs under, with 65536 subordinate ids. */
async function ensureRemappedUser(log: Logger): Promise<void> {
  if ((await linesOf('/etc/passwd')).some((line) => line.startsWith(`${remappedUser}:`))) return;
  const noLogin = ['--no-create-home', '--shell', '/usr/sbin/nologin'];
  await changeAccounts('useradd', ['--system', '--user-group', ...noLogin, remappedUser]);
  const taken = [...(await ends('/etc/subuid')), ...(await ends('/etc/subgid'))];
  const first = Math.max(100_000, ...taken);
  const range = `${first}-${first + 65_535}`;
  await changeAccounts('usermod', ['--add-subuids', range, '--add-subgids', range, remappedUser]);
  log.info('a user for the remapped root was made', { user: remappedUser, ids: range });
}

const ends = async (file: string): Promise<number[]> =>
  (await linesOf(file)).map((line) => line.split(':')).map(([, start, count]) => Number(start) + Number(count));

async function changeAccounts(program: string, args: readonly string[]): Promise<void> {
  const env = ['PATH=/usr/sbin:/usr/bin:/sbin:/bin'];
  try {
    const path = `/usr/sbin/${program}`;
    const result = await run({ path, argv: [program, ...args], env, timeoutMs: 30_000, outputLimit: 4096 });
    if (result.code !== 0) throw new Error(result.stderr.toString().trim());
  } catch (error) {
    throw invalid(`cannot make the user ${remappedUser} for --userns-remap=default: ${messageOf(error)}`, error);
  }
}
