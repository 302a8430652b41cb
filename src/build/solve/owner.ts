import { invalid } from '../../base/errors.ts';
import type { FileView } from '../../spec/contract/files.ts';
import { readSmall } from './root-source.ts';

const largestDatabase = 1 << 20;
const number = (text: string): number | undefined =>
  /^\d{1,10}$/.test(text) && Number(text) < 2 ** 32 - 1 ? Number(text) : undefined;

/**
 * Who `--chown=USER:GROUP` means, names looked up in the root that is copied to. Without a group it is that of the same
 * number, or of the user's entry. As in Docker a name that is not there means root, and a group that is not there the user's
 * own: `tell` is told of these.
 * @throws EngineError `invalid` for a number that is none of a user, and for names where no files are
 */
export async function findOwner(
  view: FileView | undefined,
  chown: string,
  tell: (problem: string) => void,
): Promise<{ uid: number; gid: number }> {
  const [user = '', group] = chown.split(':', 2);
  const uid = user === '' ? 0 : number(user);
  const account = uid === undefined ? await lookUp(view, '/etc/passwd', { name: user, what: 'user' }, tell) : undefined;
  const owner = Number(uid ?? account?.[2] ?? 0);
  const own = Number(account?.[3] ?? (uid === undefined ? 0 : owner));
  if (group === undefined) return { uid: owner, gid: own };
  if (group === '') return { uid: owner, gid: 0 };
  const gid = number(group) ?? (await lookUp(view, '/etc/group', { name: group, what: 'group' }, tell))?.[2] ?? own;
  return { uid: owner, gid: Number(gid) };
}

async function lookUp(
  view: FileView | undefined,
  path: string,
  { name, what }: { readonly name: string; readonly what: string },
  tell: (problem: string) => void,
): Promise<string[] | undefined> {
  if (view === undefined || /^\d+$/.test(name))
    throw invalid(`unable to find ${what} ${name}: no such ${what} in ${path} of the image`);
  const text = await readSmall(view, path, largestDatabase);
  for (const line of text?.toString('latin1').split('\n') ?? []) {
    const fields = line.split(':');
    if (fields[0] === name && number(fields[2] ?? '') !== undefined) return fields;
  }
  tell(`there is no ${what} ${name} in ${path} of the image`);
  return undefined;
}
