import { invalid } from '../../base/errors.ts';
import type { FileView } from '../../spec/contract/files.ts';
import { readSmall } from './root-source.ts';

const largestDatabase = 1 << 20;
const number = (text: string): number | undefined =>
  /^\d{1,10}$/.test(text) && Number(text) < 2 ** 31 ? Number(text) : undefined;

/**
 * Who `--chown=USER:GROUP` means, names looked up in the root that is copied to. Without a group it is that of the same
 * number, or of the user's entry. @throws EngineError `invalid` for a name that is not there
 */
export async function findOwner(view: FileView | undefined, chown: string): Promise<{ uid: number; gid: number }> {
  const [user = '', group] = chown.split(':', 2);
  const uid = user === '' ? 0 : number(user);
  const account = uid === undefined ? await lookUp(view, '/etc/passwd', user, 'user') : undefined;
  const owner = uid ?? account?.[2] ?? 0;
  if (group === undefined || group === '') return { uid: Number(owner), gid: Number(account?.[3] ?? owner) };
  const gid = number(group) ?? Number((await lookUp(view, '/etc/group', group, 'group'))[2]);
  return { uid: Number(owner), gid };
}

async function lookUp(view: FileView | undefined, path: string, name: string, what: string): Promise<string[]> {
  const text = view === undefined ? undefined : await readSmall(view, path, largestDatabase);
  for (const line of text?.toString('latin1').split('\n') ?? []) {
    const fields = line.split(':');
    if (fields[0] === name && number(fields[2] ?? '') !== undefined) return fields;
  }
  throw invalid(`unable to find ${what} ${name}: no such ${what} in ${path} of the image`);
}
