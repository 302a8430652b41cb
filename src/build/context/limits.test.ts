import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { type TarMember, tarOf } from '../../../tests/support/tar.ts';
import { Contexts } from './contexts.ts';
import { contextFromTar } from './from-tar.ts';
import { impliedDirectory, inOrder, inOrderByTurns, releaseTree, TreeBuilder } from './tree.ts';

async function opened(
  t: TestContext,
  mostBytes?: number,
): Promise<{ contexts: Contexts; files: () => Promise<number> }> {
  const folder = await mkdtemp(join(tmpdir(), 'gantry-contexts-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const files = async (): Promise<number> => (await readdir(join(folder, 'c'))).length;
  return { contexts: await Contexts.open(join(folder, 'c'), mostBytes), files };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

test('an archive with more bytes than the engine takes is refused, and nothing of it stays', async (t) => {
  const { contexts, files } = await opened(t, 1000);
  const member = (name: string, length: number): TarMember => ({ name, body: Buffer.alloc(length) });
  const fits = await contextFromTar(contexts, once(tarOf([member('a', 600), member('b', 400)])));
  await releaseTree(fits);
  const large = once(tarOf([member('a', 600), member('b', 401)]));
  await assert.rejects(
    contextFromTar(contexts, large),
    /larger than 1000 bytes, the engine's limit \(--build-context-limit\)/,
  );
  assert.equal(await files(), 0);
});

test('a list of files with more bytes is refused before any of them is asked for', () => {
  const builder = new TreeBuilder(1000);
  builder.add({ ...impliedDirectory, path: 'a', type: 'file', size: 1000 });
  assert.throws(() => builder.add({ ...impliedDirectory, path: 'b', type: 'file', size: 1 }), /larger than 1000 bytes/);
});

test('folders that only names imply may not take more than an archive of many files', async (t) => {
  const { contexts, files } = await opened(t);
  // 600 members that imply 2,000 folders each, with names of up to 4,000 bytes.
  const members = Array.from({ length: 600 }, (_value, at): TarMember => ({ name: `${at}/${'a/'.repeat(2000)}f` }));
  await assert.rejects(contextFromTar(contexts, once(tarOf(members))), /implies folders whose names are longer than/);
  assert.equal(await files(), 0);
});

test('very many members come in the order of few', async () => {
  const names = Array.from({ length: 20_000 }, (_value, at) => `${(at * 7919) % 1000}/${(at * 104_729) % 20_011}`);
  const entries = [...new Set(names)].map((path) => ({ ...impliedDirectory, path }));
  assert.deepEqual(await inOrderByTurns(entries), inOrder(entries));
});
