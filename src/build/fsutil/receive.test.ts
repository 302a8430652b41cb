import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { EngineError } from '../../base/errors.ts';
import { readAll } from '../../base/stream.ts';
import { Contexts } from '../context/contexts.ts';
import { readExtents } from '../context/pack.ts';
import { type ContextTree, releaseTree } from '../context/tree.ts';
import type { Method } from '../grpc/server.ts';
import { clientOf } from '../grpc/test-client.ts';
import type { Session } from '../session/session.ts';
import { decode } from '../wire/decode.ts';
import { encode } from '../wire/encode.ts';
import type { Draft } from '../wire/message.ts';
import { packet, packetTypes } from '../wire/session.ts';
import { receiveFolder } from './receive.ts';

const diffCopy = '/moby.filesync.v1.FileSync/DiffCopy';
const directory = 0x8000_0000;
const symlink = 0x0800_0000;

type Stat = NonNullable<Draft<typeof packet>['stat']>;
interface SentFile extends Stat {
  readonly content?: string;
}

/** A client that has these files, and a note of what was asked for. */
function sender(files: () => readonly SentFile[], asked: string[]): Method {
  return async (call) => {
    const listed = files();
    for (const { content = '', ...stat } of listed) {
      await call.send(encode(packet, { type: packetTypes.stat, stat: { size: content.length, ...stat } }));
    }
    await call.send(encode(packet, { type: packetTypes.stat }));
    for await (const bytes of call.messages) {
      const { type, id } = decode(packet, bytes);
      if (type === packetTypes.end) {
        await call.send(encode(packet, { type: packetTypes.end }));
        continue;
      }
      const { path = '', content = '' } = listed[id] ?? {};
      asked.push(path);
      for (let at = 0; at < content.length; at += 1000) {
        await call.send(
          encode(packet, { type: packetTypes.data, id, data: Buffer.from(content.slice(at, at + 1000)) }),
        );
      }
      await call.send(encode(packet, { type: packetTypes.data, id }));
    }
  };
}

async function connected(
  t: TestContext,
  method: Method,
): Promise<{ session: Session; contexts: Contexts; path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'gantry-contexts-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  const client = await clientOf(t, { [diffCopy]: method });
  const session = { id: 's', sharedKey: 'k', methods: new Set([diffCopy]), client };
  return { session, contexts: await Contexts.open(join(path, 'contexts')), path };
}

const receive = (session: Session, contexts: Contexts, more: { excludes?: string[] } = {}): Promise<ContextTree> =>
  receiveFolder(session, contexts, {
    name: 'context',
    ...more,
    progress: () => undefined,
    signal: new AbortController().signal,
  });

async function contentOf(tree: ContextTree, path: string): Promise<string> {
  const { content } = tree.entries.get(path) ?? {};
  return Buffer.from(await readAll(readExtents(content?.extents ?? []), 1 << 24)).toString();
}

test('a folder comes as it is, and only what changed comes again', async (t) => {
  const big = 'x'.repeat(300_000);
  let files: readonly SentFile[] = [
    { path: 'a', mode: 0o644, modTime: 1n, content: 'first' },
    { path: 'd', mode: directory + 0o755 },
    { path: 'd/big', mode: 0o600, modTime: 1n, content: big },
    { path: 'd/hard', mode: 0o600, linkname: 'd/big' },
    { path: 'empty', mode: 0o644 },
    { path: 'link', mode: symlink + 0o777, linkname: '../../etc/passwd' },
  ];
  const asked: string[] = [];
  const { session, contexts, path } = await connected(
    t,
    sender(() => files, asked),
  );
  const tree = await receive(session, contexts);
  assert.deepEqual(asked, ['a', 'd/big', 'empty']);
  assert.deepEqual(
    [...tree.entries.values()].map(({ type, mode, path: at }) => `${type} ${mode.toString(8)} ${at}`),
    ['file 644 a', 'directory 755 d', 'file 600 d/big', 'hardlink 600 d/hard', 'file 644 empty', 'symlink 777 link'],
  );
  assert.equal(await contentOf(tree, 'a'), 'first');
  assert.equal(await contentOf(tree, 'd/big'), big);
  assert.equal(await contentOf(tree, 'd/hard'), big);
  assert.equal(tree.entries.get('link')?.linkName, '../../etc/passwd');
  asked.length = 0;
  files = files.map((file) => (file.path === 'a' ? { ...file, modTime: 2n, content: 'other' } : file));
  const next = await receive(session, contexts);
  assert.deepEqual(asked, ['a']);
  assert.equal(await contentOf(next, 'a'), 'other');
  assert.equal(await contentOf(next, 'd/big'), big);
  assert.equal(await contentOf(tree, 'a'), 'first', 'who has the tree before still reads it');
  await releaseTree(tree);
  await releaseTree(next);
  await contexts.clear();
  assert.deepEqual(await readdir(join(path, 'contexts')), []);
});

/** A small random folder: some names, of which some are directories. */
function randomFolder(random: () => number): SentFile[] {
  const files: SentFile[] = [];
  for (const name of ['a', 'b', 'c', 'd']) {
    const chance = random();
    if (chance < 0.3) continue;
    if (chance < 0.6) files.push({ path: name, mode: directory + 0o755, modTime: BigInt(Math.floor(random() * 2)) });
    else files.push(randomFile(name, random));
    if (chance >= 0.6) continue;
    for (const inner of ['x', 'y', 'z']) if (random() < 0.7) files.push(randomFile(`${name}/${inner}`, random));
  }
  const first = files.find(({ content }) => content !== undefined);
  if (first !== undefined && random() < 0.5) {
    files.push({ path: 'hard', mode: 0o644, linkname: first.path, modTime: first.modTime });
  }
  if (random() < 0.5) files.push({ path: 'socket', mode: 0x0100_0000 + 0o755 });
  return files;
}

function randomFile(path: string, random: () => number): SentFile {
  const version = Math.floor(random() * 2);
  // Now and then a file has changed its size while it was sent.
  const size = random() < 0.1 ? { size: 1000 } : {};
  return { path, mode: 0o644, modTime: BigInt(version), content: `${path} ${version}`.repeat(version + 1), ...size };
}

test('whatever changes between two builds: the second has what a build without the first has', async (t) => {
  let seed = 1;
  const random = (): number => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
  let files: readonly SentFile[] = [];
  const asked: string[] = [];
  const { session, contexts, path } = await connected(
    t,
    sender(() => files, asked),
  );
  const described = async (tree: ContextTree): Promise<unknown[]> => {
    const all: unknown[] = [];
    for (const [at, { content, ...entry }] of tree.entries) {
      assert.equal(at, entry.path);
      all.push([entry, content?.sha256, await contentOf(tree, at)]);
    }
    return all;
  };
  let last = await receive(session, contexts);
  for (let round = 0; round < 60; round++) {
    // Often nearly nothing changes.
    const isOther = random() < 0.5;
    const at = Math.floor(random() * files.length);
    files = isOther
      ? randomFolder(random)
      : files.map((file, place) =>
          place === at && file.content !== undefined ? randomFile(file.path ?? '', random) : file,
        );
    const tree = await receive(session, contexts);
    const others = await Contexts.open(join(path, 'others'));
    const alone = await receive(session, others);
    assert.deepEqual(await described(tree), await described(alone), JSON.stringify(files.map((file) => file.path)));
    await releaseTree(alone);
    await others.clear();
    await releaseTree(last);
    last = tree;
  }
  asked.length = 0;
  files = files.filter(({ size }) => size === undefined);
  const settled = await receive(session, contexts);
  const again = await receive(session, contexts);
  assert.equal(again, settled, 'where nothing has changed the tree is the one before');
  for (const tree of [last, settled, again]) await releaseTree(tree);
  await contexts.clear();
  assert.deepEqual(await readdir(join(path, 'contexts')), []);
});

test('a file that had another size when it was sent is asked for again, though its list is the same', async (t) => {
  const asked: string[] = [];
  const files = [
    { path: 'a', mode: 0o644, modTime: 1n, content: 'a' },
    { path: 'b', mode: 0o644, modTime: 1n, content: 'longer', size: 3 },
    { path: 'c', mode: 0o644, modTime: 1n, content: 'c' },
  ];
  const { session, contexts } = await connected(
    t,
    sender(() => files, asked),
  );
  for (let round = 0; round < 3; round++) await releaseTree(await receive(session, contexts));
  assert.deepEqual(asked, ['a', 'b', 'c', 'b', 'b']);
  await contexts.clear();
});

const hostile: readonly [what: string, files: readonly SentFile[], message: RegExp][] = [
  ['above the context', [{ path: '../x', mode: 0o644 }], /impossible name/],
  ['with an absolute name', [{ path: '/etc/x', mode: 0o644 }], /impossible name/],
  ['with a dot in its name', [{ path: 'a/./b', mode: 0o644 }], /impossible name/],
  ['without a name', [{ path: '', mode: 0o644, uid: 1 }], /impossible name/],
  ['with a NUL in its name', [{ path: 'a\0b', mode: 0o644 }], /impossible name/],
  ['with a long name', [{ path: 'n'.repeat(256), mode: 0o644 }], /impossible name/],
  ['in no directory', [{ path: 'a/b', mode: 0o644 }], /not the directory/],
  [
    'in a link',
    [
      { path: 'a', mode: symlink + 0o777, linkname: '/etc' },
      { path: 'a/b', mode: 0o644 },
    ],
    /not the directory/,
  ],
  [
    'that comes twice',
    [
      { path: 'a', mode: 0o644 },
      { path: 'a', mode: 0o644 },
    ],
    /twice/,
  ],
  ['that is a link to nothing', [{ path: 'a', mode: 0o644, linkname: 'gone' }], /hard link/],
];
for (const [what, files, message] of hostile) {
  test(`a file ${what} is refused, and nothing stays`, async (t) => {
    const { session, contexts, path } = await connected(
      t,
      sender(() => files, []),
    );
    await assert.rejects(receive(session, contexts), (error: unknown) => {
      assert.ok(error instanceof EngineError && error.code === 'invalid', String(error));
      assert.match(error.message, message);
      return true;
    });
    assert.deepEqual(await readdir(join(path, 'contexts')), []);
  });
}

test('content that nobody asked for is refused', async (t) => {
  const { session, contexts } = await connected(t, async (call) => {
    await call.send(encode(packet, { type: packetTypes.data, id: 7, data: Buffer.from('x') }));
    for await (const _message of call.messages);
  });
  await assert.rejects(receive(session, contexts), /nobody asked for/);
});

test('a client that fails says why', async (t) => {
  const { session, contexts } = await connected(t, async (call) => {
    await call.send(encode(packet, { type: packetTypes.error, data: Buffer.from('no such folder') }));
    for await (const _message of call.messages);
  });
  await assert.rejects(receive(session, contexts), /error from sender: no such folder/);
});

test('a client that stops in between has sent nothing', async (t) => {
  const { session, contexts, path } = await connected(t, async (call) => {
    await call.send(encode(packet, { type: packetTypes.stat, stat: { path: 'a', mode: 0o644, size: 5 } }));
  });
  await assert.rejects(receive(session, contexts), /stopped sending/);
  assert.deepEqual(await readdir(join(path, 'contexts')), []);
});

test('patterns that are not ASCII travel escaped', async (t) => {
  const seen: unknown[] = [];
  const send = sender(() => [], []);
  const { session, contexts } = await connected(t, async (call) => {
    seen.push(call.metadata['exclude-patterns'], call.metadata['exclude-patterns-encoded']);
    await send(call);
  });
  await releaseTree(await receive(session, contexts, { excludes: ['a b', 'ü*'] }));
  assert.deepEqual(seen, ['a+b, %C3%BC%2A', '1']);
});

test('of a list that comes at once others do not have to wait for the end', async (t) => {
  const { contexts } = await connected(
    t,
    sender(() => [], []),
  );
  const stats = Array.from({ length: 20_000 }, (_value, at) =>
    encode(packet, { type: packetTypes.stat, stat: { path: `d${1e5 + at}`, mode: directory | 0o755 } }),
  );
  let turns = 0;
  let next = setImmediate(function count() {
    turns++;
    next = setImmediate(count);
  });
  t.after(() => clearImmediate(next));
  let inBatch = 0;
  async function* batches(): AsyncGenerator<readonly Uint8Array[]> {
    const before = turns;
    yield [...stats, encode(packet, { type: packetTypes.stat })];
    inBatch = turns - before;
    yield [encode(packet, { type: packetTypes.end })];
  }
  const call = { send: async () => undefined, end: () => undefined, cancel: () => undefined };
  const client = {
    call: () => ({ ...call, messages: (async function* () {})(), batches: batches() }),
    closed: new Promise<void>(() => undefined),
    close: () => undefined,
  };
  const session = { id: 's', sharedKey: 'k', methods: new Set([diffCopy]), client };
  const tree = await receive(session, contexts);
  assert.equal(tree.entries.size, stats.length);
  assert.ok(inBatch >= 2, `${inBatch} turns`);
  await releaseTree(tree);
  await contexts.clear();
});
