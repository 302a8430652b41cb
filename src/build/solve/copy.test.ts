import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readTar } from '../../archive/tar/read.ts';
import { writeTar } from '../../archive/tar/write.ts';
import type { FileStat, FileView } from '../../spec/contract/files.ts';
import type { ContextEntry, ContextTree } from '../context/tree.ts';
import { selectFromContext } from './context-source.ts';
import { type CopyWishes, copyMembers } from './copy.ts';
import type { CopiedSource } from './source.ts';

/** `d/` is a directory, `a->b` a link to the link-free path b, anything else a file: all without the first slash. */
function rootOf(...members: readonly string[]): FileView {
  const kinds = new Map<string, FileStat>();
  const add = (path: string, mode: number, linkTarget = ''): void => {
    kinds.set(`/${path}`, { mode, uid: 0, gid: 0, size: 0, mtimeNs: 0n, linkTarget });
  };
  add('', 0o040755);
  for (const member of members) {
    const [name = '', target] = member.split('->');
    if (target !== undefined) add(name, 0o120777, target);
    else if (member.endsWith('/')) add(name.slice(0, -1), 0o040755);
    else add(name, 0o100644);
  }
  const view = {
    async stat(path: string): Promise<FileStat> {
      const found = kinds.get(path);
      if (found === undefined) throw Object.assign(new Error(path), { code: 'ENOENT' });
      return found;
    },
    async list(path: string) {
      const prefix = path === '/' ? '/' : `${path}/`;
      const names = [...kinds].filter(([name]) => name.startsWith(prefix) && name !== '/');
      const direct = names.map(([name, { mode }]) => ({ name: name.slice(prefix.length), mode }));
      const isDirectory = ({ mode }: { mode: number }): boolean => (mode & 0o170000) === 0o040000;
      const own = direct.filter(({ name }) => !name.includes('/'));
      return {
        directories: own.filter(isDirectory).map(({ name }) => name),
        others: own.filter((entry) => !isDirectory(entry)).map(({ name }) => name),
      };
    },
  };
  return view as unknown as FileView;
}

/** The same of a context. */
function contextOf(...members: readonly string[]): ContextTree {
  const entries = members.map((member): ContextEntry => {
    const [name = '', target] = member.split('->');
    const type = target !== undefined ? 'symlink' : member.endsWith('/') ? 'directory' : 'file';
    const path = name.replace(/\/$/, '');
    return {
      path,
      type,
      mode: 0o644,
      linkName: target ?? '',
      mtimeNs: 0n,
      major: 0,
      minor: 0,
      ...(type === 'file' ? { content: { size: 0, sha256: path, extents: [] } } : {}),
    } as unknown as ContextEntry;
  });
  return { entries: new Map(entries.map((entry) => [entry.path, entry])) } as unknown as ContextTree;
}

const wishes = (destination: string, more: Partial<CopyWishes> = {}): CopyWishes => ({
  destination,
  owner: undefined,
  mode: undefined,
  time: 0,
  onlyNew: false,
  ...more,
});

async function copied(view: FileView | undefined, sources: readonly CopiedSource[], to: CopyWishes): Promise<string[]> {
  const members: string[] = [];
  const placed = sources.map((source) => ({ source, wishes: to }));
  for await (const { entry } of readTar(writeTar(copyMembers(view, placed)))) members.push(entry.name);
  return members;
}

const allOf = async (tree: ContextTree, pattern = '.'): Promise<readonly CopiedSource[]> =>
  (await selectFromContext(tree, pattern, {})).sources;

describe('a link that is named, or that a pattern stands for, gives the copy its name', () => {
  const tree = contextOf('bar', 'foo->bar', 's/', 's/file', 's/l0->file', 's/l1->l2', 's/l2->file');
  for (const [pattern, names] of [
    ['foo', ['foo']],
    ['s/l*', ['l0', 'l1', 'l2']],
    ['f*', ['foo']],
  ] as const) {
    test(pattern, async () => {
      assert.deepEqual(await copied(undefined, await allOf(tree, pattern), wishes('/')), names);
      const types = await Promise.all(
        (await allOf(tree, pattern)).map(async (source) => (await Array.fromAsync(source.members()))[0]?.entry.type),
      );
      assert.ok(types.every((type) => type === 'file'));
    });
  }
});

test('a link to the root is the root', async () => {
  const view = rootOf('up->/');
  assert.deepEqual(await copied(view, await allOf(contextOf('a'), 'a'), wishes('/up/z')), ['z']);
});

describe('nothing takes the place of something of another kind', () => {
  const cases: readonly (readonly [what: string, root: string[], context: string[], to: string, error: RegExp])[] = [
    ['a file that of a directory', ['a/'], ['a'], '/', /cannot replace to directory \/a with file/],
    ['deep below', ['x/', 'x/d/', 'x/d/f/'], ['d/', 'd/f'], '/x', /cannot replace to directory \/x\/d\/f with file/],
    ['a directory that of a file', ['x/', 'x/d'], ['d/'], '/x/', /cannot copy to non-directory: \/x\/d$/],
    ['nor of a link to one', ['r/', 'lib->/r'], ['lib/', 'lib/so'], '/', /cannot copy to non-directory: \/lib$/],
    ['a link that of a directory', ['x/', 'x/l/'], ['l->a'], '/x', /cannot replace to directory \/x\/l with file/],
  ];
  for (const [what, root, context, to, error] of cases) {
    test(what, async () => {
      await assert.rejects(copied(rootOf(...root), await allOf(contextOf(...context)), wishes(to)), error);
    });
  }

  test('but what an archive has does, and equal kinds do', async () => {
    const archive = wishes('/', { replaces: true });
    assert.deepEqual(await copied(rootOf('a/'), await allOf(contextOf('a')), archive), ['a']);
    const tree = contextOf('d/', 'd/f', 'l->q');
    assert.deepEqual(await copied(rootOf('d/', 'd/f', 'l->q'), await allOf(tree), wishes('/')), ['d/', 'd/f', 'l']);
  });
});
