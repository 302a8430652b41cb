import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import test from 'node:test';
import fc from 'fast-check';
import { EngineError } from '../../base/errors.ts';
import { readAll } from '../../base/stream.ts';
import { defaultTarLimits, type TarEntry } from './entry.ts';
import { TarParser } from './parse.ts';
import { readTar } from './read.ts';
import { encodeTarHeader, tarPadding, tarTrailer, writeTar } from './write.ts';

interface Member {
  readonly entry: TarEntry;
  readonly content: Buffer;
}

const bytes = (min: number, max: number): fc.Arbitrary<string> =>
  fc
    .array(fc.integer({ min: 1, max: 255 }), { minLength: min, maxLength: max })
    .map((codes) => String.fromCharCode(...codes));
// A trailing slash on a long name is ustar's to lose; names are cut where components are.
const name = fc.oneof(bytes(1, 30), bytes(90, 300), fc.stringMatching(/^[a-z]{1,90}(\/[a-z]{1,90}){1,4}$/));
const xattrs = fc
  .dictionary(fc.stringMatching(/^user\.[a-z]{1,20}$/), fc.uint8Array({ maxLength: 300 }), { maxKeys: 3 })
  .map((map) => new Map(Object.entries(map)));

const member: fc.Arbitrary<Member> = fc
  .record({
    type: fc.constantFrom<TarEntry['type']>('file', 'directory', 'symlink', 'hardlink', 'char', 'block', 'fifo'),
    name,
    linkName: name,
    mode: fc.integer({ min: 0, max: 0o7777 }),
    uid: fc.integer({ min: 0, max: 0xffff_fffe }),
    gid: fc.integer({ min: 0, max: 0xffff_fffe }),
    mtime: fc.integer({ min: -(2 ** 33), max: 2 ** 34 }),
    mtimeNsec: fc.integer({ min: 0, max: 999_999_999 }),
    major: fc.integer({ min: 0, max: 4095 }),
    minor: fc.integer({ min: 0, max: 0xfffff }),
    xattrs: fc.option(xattrs.filter((map) => map.size > 0)),
    content: fc.uint8Array({ maxLength: 2000 }),
  })
  .map(({ content, xattrs: attributes, ...fields }) => {
    const isLink = fields.type === 'symlink' || fields.type === 'hardlink';
    const isDevice = fields.type === 'char' || fields.type === 'block';
    const body = fields.type === 'file' ? Buffer.from(content) : Buffer.alloc(0);
    const entry: TarEntry = {
      ...fields,
      linkName: isLink ? fields.linkName : '',
      major: isDevice ? fields.major : 0,
      minor: isDevice ? fields.minor : 0,
      size: body.length,
      ...(attributes === null ? {} : { xattrs: attributes }),
    };
    return { entry, content: body };
  });

const archiveOf = (members: readonly Member[]): Buffer =>
  Buffer.concat([
    ...members.flatMap(({ entry, content }) => [encodeTarHeader(entry), content, tarPadding(content.length)]),
    tarTrailer(),
  ]);

/** Parses `archive` in chunks of these sizes, again and again. */
function parse(archive: Buffer, sizes: readonly number[] = [archive.length]): Member[] {
  const members: { entry: TarEntry; chunks: Buffer[] }[] = [];
  const parser = new TarParser({
    entry: (entry) => members.push({ entry, chunks: [] }),
    data: (chunk) => members.at(-1)?.chunks.push(Buffer.from(chunk)),
    end: () => undefined,
  });
  for (let at = 0, turn = 0; at < archive.length; turn++) {
    const size = Math.max(1, sizes[turn % sizes.length] ?? 1);
    parser.push(archive.subarray(at, at + size));
    at += size;
  }
  parser.finish();
  return members.map(({ entry, chunks }) => ({ entry, content: Buffer.concat(chunks) }));
}

test('what was written is read again, however the bytes are cut', () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 1500 }), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(fc.array(member, { maxLength: 6 }), sizes, (members, cuts) => {
      const read = parse(archiveOf(members), cuts);
      assert.deepEqual(read, members);
    }),
    { numRuns: 200 },
  );
});

test('damaged archives give an error of ours, or other members, but never anything else', () => {
  const damage = fc.array(fc.tuple(fc.nat(20_000), fc.nat(255)), { minLength: 1, maxLength: 8 });
  const members = fc.array(member, { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(members, damage, fc.nat(20_000), (made, changes, cut) => {
      const archive = archiveOf(made);
      for (const [at, value] of changes) archive[at % archive.length] = value;
      // Checksums made right again: the damage must get past them.
      for (let at = 0; at < archive.length; at += 512) fixChecksum(archive, at);
      try {
        parse(archive.subarray(0, archive.length - (cut % archive.length)), [700]);
      } catch (error) {
        assert.ok(error instanceof EngineError, String(error));
        assert.ok(error.code === 'corrupt' || error.code === 'invalid', error.code);
      }
    }),
    { numRuns: 500 },
  );
});

function fixChecksum(archive: Buffer, at: number): void {
  if (archive.toString('latin1', at + 257, at + 262) !== 'ustar') return;
  archive.fill(0x20, at + 148, at + 156);
  let sum = 0;
  for (let i = at; i < at + 512; i++) sum += archive[i] ?? 0;
  archive.write(`${sum.toString(8).padStart(6, '0')}\0 `, at + 148, 'latin1');
}

const plain: TarEntry = {
  type: 'file',
  name: 'file',
  linkName: '',
  mode: 0o644,
  uid: 0,
  gid: 0,
  size: 0,
  mtime: 0,
  mtimeNsec: 0,
  major: 0,
  minor: 0,
};

/** A header with some bytes changed and the checksum right. */
function patched(entry: Partial<TarEntry>, ...patches: readonly (readonly [number, string | number[]])[]): Buffer {
  const header = encodeTarHeader({ ...plain, ...entry });
  for (const [at, value] of patches) Buffer.from(value as string, 'latin1').copy(header, at);
  fixChecksum(header, 0);
  return header;
}

const pax = (...records: string[]): Buffer => {
  const body = Buffer.from(records.join(''), 'latin1');
  return Buffer.concat([patched({ size: body.length }, [156, 'x']), body, tarPadding(body.length)]);
};

const refused: readonly [string, Buffer, RegExp][] = [
  ['a wrong checksum', Buffer.from(encodeTarHeader(plain)).fill('9', 100, 102), /checksum/],
  ['random bytes', Buffer.alloc(1024, 'tar? no!'), /not a number|checksum/],
  [
    'a negative size',
    patched({}, [124, [255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 254]]),
    /negative size/,
  ],
  ['a size beyond 2^53', patched({}, [124, [0x80, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]]), /size .* not a number/],
  ['a size that is no number', patched({}, [124, '12x45']), /size .* not a number/],
  ['an unknown type', patched({}, [156, 'Z']), /unknown type "Z"/],
  ['a link without a target', patched({ type: 'symlink', linkName: '' }), /no target/],
  ['no name', patched({ name: '' }), /no name/],
  ['a huge extension header', patched({ size: 2 ** 21 }, [156, 'x']), /extension header/],
  ['a huge long name', patched({ size: 2 ** 33 - 1 }, [156, 'L']), /extension header/],
  ['a PAX record without length', Buffer.concat([pax('path=x\n'), encodeTarHeader(plain)]), /without a length/],
  ['a PAX record that is too long', Buffer.concat([pax('99 path=x\n'), encodeTarHeader(plain)]), /wrong length/],
  ['a PAX record of length 0', Buffer.concat([pax('0 path=x\n'), encodeTarHeader(plain)]), /wrong length/],
  ['a PAX record without key', Buffer.concat([pax('6 =ab\n'), encodeTarHeader(plain)]), /without a key/],
  ['a PAX path with a NUL', Buffer.concat([pax('12 path=a\0b\n'), encodeTarHeader(plain)]), /NUL in path/],
  ['a PAX size that is negative', Buffer.concat([pax('11 size=-1\n'), encodeTarHeader(plain)]), /size/],
  ['a PAX mtime that is none', Buffer.concat([pax('13 mtime=1e9\n'), encodeTarHeader(plain)]), /mtime/],
  ['the uid 2^32 - 1', Buffer.concat([pax('18 uid=4294967295\n'), encodeTarHeader(plain)]), /uid/],
  ['content that is cut off', encodeTarHeader({ ...plain, size: 1000 }), /middle of a member/],
  ['half a header', encodeTarHeader(plain).subarray(0, 300), /middle of a member/],
  ['a PAX header for nobody', pax('11 path=ab\n').subarray(0, 1024), /middle of a member/],
];

for (const [what, archive, message] of refused) {
  test(`refused: ${what}`, () => {
    assert.throws(
      () => parse(archive),
      (error: unknown) => {
        assert.ok(error instanceof EngineError);
        assert.match(error.message, message);
        return true;
      },
    );
  });
}

test('the last content need not be filled up to a block, nor be followed by an end', () => {
  const archive = Buffer.concat([encodeTarHeader({ ...plain, size: 7 }), Buffer.from('FROM x\n')]);
  for (const cut of [[700], [515], [1]]) {
    const found = parse(archive, cut);
    assert.deepEqual(found.length, 1);
  }
  assert.throws(() => parse(archive.subarray(0, -1)), /middle of a member/);
});

test('limits on members, names and attributes hold', () => {
  const small = { ...defaultTarLimits, entries: 2, name: 20, xattrs: 50 };
  const check = (archive: Buffer): void => {
    new TarParser({ entry: () => 0, data: () => 0, end: () => 0 }, small).push(archive);
  };
  const header = encodeTarHeader(plain);
  check(Buffer.concat([header, header]));
  assert.throws(() => check(Buffer.concat([header, header, header])), /more than 2 members/);
  assert.throws(() => check(encodeTarHeader({ ...plain, name: 'x'.repeat(21) })), /longer than 20/);
  const attributes = new Map([['user.big', Buffer.alloc(60)]]);
  assert.throws(() => check(encodeTarHeader({ ...plain, xattrs: attributes })), /extended attributes/);
});

test('archives of GNU tar in all its formats are read', { skip: gnuTar() }, () => {
  const long = 'd/'.repeat(60) + 'n'.repeat(100);
  const script = `set -e; T=$(mktemp -d); cd "$T"; mkdir -p "$(dirname "$1")"; printf hello > "$1"; ln "$1" hard; ln -s "$1" soft
    touch -d '1960-01-01 00:00:00.25 UTC' "$1"; tar --format="$2" --sort=name -cf - . ; rm -r "$T"`;
  for (const format of ['gnu', 'posix', 'oldgnu']) {
    const archive = execFileSync('sh', ['-c', script, 'sh', long, format], { maxBuffer: 1 << 24 });
    const members = parse(archive, [513]);
    const file = members.find(({ entry }) => entry.type === 'file');
    assert.equal(file?.entry.name, `./${long}`, format);
    assert.equal(file.content.toString(), 'hello');
    assert.equal(file.entry.mtime, -315619200, format);
    assert.equal(file.entry.mtimeNsec, format === 'posix' ? 250_000_000 : 0, format);
    assert.equal(members.find(({ entry }) => entry.type === 'symlink')?.entry.linkName, long, format);
    assert.equal(members.find(({ entry }) => entry.type === 'hardlink')?.entry.linkName, `./${long}`, format);
  }
});

function gnuTar(): string | false {
  try {
    return execFileSync('tar', ['--version']).includes('GNU') ? false : 'tar is not GNU tar';
  } catch {
    return 'tar is not installed';
  }
}

async function* streamOf(archive: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < archive.length; at += size) yield archive.subarray(at, at + size);
}

test('members are pulled one by one; unread content is passed over', async () => {
  const contents = ['first', 'x'.repeat(5000), '', 'last'];
  async function* members() {
    for (const [index, text] of contents.entries()) {
      const entry = { ...plain, name: `f${index}`, size: text.length };
      yield { entry, body: streamOf(Buffer.from(text), 7) };
    }
  }
  const archive = Buffer.from(await readAll(writeTar(members()), 1 << 20));
  const seen: string[] = [];
  let stale: AsyncIterable<Uint8Array> | undefined;
  for await (const { entry, body } of readTar(streamOf(archive, 600))) {
    if (entry.name === 'f1') {
      for await (const _ of body) break;
    } else if (entry.name === 'f0') stale = body;
    else seen.push(`${entry.name}=${Buffer.from(await readAll(body, 100)).toString()}`);
    if (stale !== undefined && entry.name === 'f3') assert.equal((await readAll(stale, 100)).length, 0);
  }
  assert.deepEqual(seen, ['f2=', 'f3=last']);
  await assert.rejects(async () => {
    for await (const { body } of readTar(streamOf(archive.subarray(0, 3000), 600))) await readAll(body, 1 << 20);
  }, /middle of a member/);
});

test('members of small files are written in few pieces; a body may use its buffer again', async () => {
  const members = Array.from({ length: 1000 }, (_, at) => ({
    entry: { ...plain, name: `file-${at}`, size: 700 },
    content: Buffer.alloc(700, at),
  }));
  const large = { entry: { ...plain, name: 'large', size: 1 << 20 }, content: Buffer.alloc(1 << 20, 'x') };
  const all = [...members, large, ...members.slice(0, 3)];
  const shared = Buffer.alloc(1 << 20);
  async function* bodyOf(content: Buffer): AsyncGenerator<Buffer> {
    for (let at = 0; at < content.length; at += 1 << 18) {
      const length = content.copy(shared, 0, at, at + (1 << 18));
      yield shared.subarray(0, length);
      shared.fill(0);
    }
  }
  async function* listed(): AsyncGenerator<{ entry: TarEntry; body: AsyncGenerator<Buffer> }> {
    for (const { entry, content } of all) yield { entry, body: bodyOf(content) };
  }
  const passing: Buffer[] = [];
  const buffers = new Set<ArrayBufferLike>();
  for await (const piece of writeTar(listed(), 'passing')) {
    passing.push(Buffer.from(piece));
    buffers.add(piece.buffer);
  }
  assert.ok(Buffer.concat(passing).equals(archiveOf(all)));
  assert.ok(passing.length < 20, `${passing.length} pieces`);
  assert.ok(buffers.size <= 3, `${buffers.size} buffers`);
  const kept: Uint8Array[] = [];
  for await (const piece of writeTar(listed())) kept.push(piece.length < 1 << 18 ? piece : Buffer.from(piece));
  assert.ok(Buffer.concat(kept).equals(archiveOf(all)));
});

test('a member that changes its size while it is written is an error', async () => {
  async function* members() {
    yield { entry: { ...plain, size: 5 }, body: streamOf(Buffer.from('abcdefg'), 2) };
  }
  await assert.rejects(readAll(writeTar(members()), 1 << 20), /changed its size/);
});
