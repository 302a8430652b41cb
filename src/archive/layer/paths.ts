import { EngineError } from '../../base/errors.ts';
import { type Directory, isDirectory, newDirectory, type NodeMeta, type NodeRef } from '../erofs/tree.ts';
import { type ByteString, quoteName } from '../tar/entry.ts';

/** Longest name of one file on Linux. */
const nameMax = 255;
/** As many symbolic links as Linux follows before it says ELOOP. */
const linksMax = 40;

/**
 * The components of a member's name, `.` and `..` resolved by the text alone, absolute names taken from the root: as
 * Docker does. @throws EngineError `invalid` when it leads above the root, or a component is too long.
 */
export function cleanComponents(name: ByteString): ByteString[] {
  const components: ByteString[] = [];
  for (const component of name.split('/')) {
    if (component === '' || component === '.') continue;
    if (component.length > nameMax)
      throw new EngineError('invalid', `the file name ${quoteName(component)} is too long`);
    if (component !== '..') components.push(component);
    else if (components.pop() === undefined && !name.startsWith('/')) {
      throw new EngineError('invalid', `${quoteName(name)} is outside of the root`);
    }
  }
  return components;
}

/** What a directory gets that no member describes, but that others are in. */
export const impliedDirectory: NodeMeta = { mode: 0o755, uid: 0, gid: 0, mtime: 0, mtimeNsec: 0 };

/** Tells the target of a node that is a symbolic link, and undefined for others. */
export type LinkTargets = (node: NodeRef) => ByteString | undefined;

/**
 * Walks from `root` to the directory that `components` name, through symbolic links of the same layer, which never
 * lead out of the root. Missing directories are made when `create` is set, else the result is undefined.
 * @throws EngineError `invalid` for a loop of links, or when something on the way is no directory.
 */
export function walkTo(
  root: Directory,
  components: readonly ByteString[],
  targetOf: LinkTargets,
  create: boolean,
): Directory | undefined {
  const left = components.toReversed();
  let directory = root;
  let links = 0;
  for (let name = left.pop(); name !== undefined; name = left.pop()) {
    if (name === '' || name === '.') continue;
    if (name === '..') {
      directory = directory.parent ?? root;
      continue;
    }
    let child = directory.children.get(name);
    if (child === undefined) {
      if (!create) return undefined;
      if (name.length > nameMax) throw new EngineError('invalid', `the file name ${quoteName(name)} is too long`);
      child = newDirectory(impliedDirectory, directory);
      directory.children.set(name, child);
    }
    if (isDirectory(child)) {
      directory = child;
      continue;
    }
    const target = targetOf(child);
    if (target === undefined) throw new EngineError('invalid', `${quoteName(components.join('/'))} is not a directory`);
    if (++links > linksMax) {
      throw new EngineError('invalid', `${quoteName(components.join('/'))}: too many levels of symbolic links`);
    }
    if (target.startsWith('/')) directory = root;
    left.push(...target.split('/').reverse());
  }
  return directory;
}
