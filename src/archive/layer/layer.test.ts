import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { EngineError } from '../../base/errors.ts';
import { codeOfRef, type Directory, isDirectory } from '../erofs/tree.ts';
import { ErofsWriter } from '../erofs/writer.ts';
import type { TarEntry } from '../tar/entry.ts';
import { TarParser } from '../tar/parse.ts';
import { encodeTarHeader, tarPadding, tarTrailer } from '../tar/write.ts';
import { LayerFromTar } from './from-tar.ts';

type Line = readonly [name: string, type?: TarEntry['type'], linkName?: string];

const plain: TarEntry = {
  type: 'file',
  name: '',
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

function archive(lines: readonly Line[], content = ''): Buffer {
  const body = Buffer.from(content);
  const parts = lines.map(([name, type = 'file', linkName = '']) => {
    const size = type === 'file' ? body.length : 0;
    const header = encodeTarHeader({ ...plain, name, type, linkName, size });
    return size === 0 ? header : Buffer.concat([header, body, tarPadding(size)]);
  });
  return Buffer.concat([...parts, tarTrailer()]);
}

async function convert(t: TestContext, tar: Buffer): Promise<{ layer: LayerFromTar; path: string }> {
  const directory = await mkdtemp(join(tmpdir(), 'layer-'));
  t.after(() => rm(directory, { recursive: true }));
  const path = join(directory, 'image');
  const fd = openSync(path, 'w');
  try {
    const writer = new ErofsWriter(fd);
    const layer = new LayerFromTar(writer);
    const parser = new TarParser(layer);
    parser.push(tar);
    parser.finish();
    layer.complete();
    writer.finish(layer.root, Buffer.alloc(16), () => Buffer.from('header'));
    return { layer, path };
  } finally {
    closeSync(fd);
  }
}

/** `name` for what is no directory, `name/` for directories, `name/!` for opaque ones, with their place. */
function show(directory: Directory, prefix = ''): string[] {
  const names: string[] = [];
  for (const [name, node] of directory.children) {
    if (!isDirectory(node)) names.push(`${prefix}${name}`);
    else {
      const opaque = node.meta.xattrs?.has('trusted.overlay.opaque') === true;
      names.push(`${prefix}${name}/${opaque ? '!' : ''}`, ...show(node, `${prefix}${name}/`));
    }
  }
  return names.sort();
}

const shapes: readonly [string, readonly Line[], string[]][] = [
  [
    'names are cleaned',
    [['./a'], ['/b'], ['c//d'], ['x/../e'], ['./', 'directory'], ['f/./g']].map(asLine),
    ['a', 'b', 'c/', 'c/d', 'e', 'f/', 'f/g'],
  ],
  ['absolute names stay inside', [['/../../a']], ['a']],
  ['a later file replaces a directory', [['a/b'], ['a']], ['a']],
  ['a later directory replaces a file', [['a'], ['a/', 'directory'], ['a/b']], ['a/', 'a/b']],
  ['a directory twice is merged', [['a/', 'directory'], ['a/b'], ['a/', 'directory']], ['a/', 'a/b']],
  [
    'links inside the layer are followed',
    [['real/', 'directory'], ['l', 'symlink', '/real'], ['l/f']],
    ['l', 'real/', 'real/f'],
  ],
  ['links never lead out', [['l', 'symlink', '../../../etc'], ['l/f']], ['etc/', 'etc/f', 'l']],
  [
    'a replaced link is not followed',
    [['d/', 'directory'], ['l', 'symlink', 'd'], ['l/a'], ['l/', 'directory'], ['l/b']],
    ['d/', 'd/a', 'l/', 'l/b'],
  ],
  ['a whiteout', [['d/.wh.gone']], ['d/', 'd/gone']],
  ['a whiteout beside a file of the name: the file stays', [['.wh.a'], ['a'], ['b'], ['.wh.b']], ['a', 'b']],
  [
    'a whiteout beside a directory: it is opaque',
    [['.wh.a'], ['a/', 'directory'], ['b/', 'directory'], ['.wh.b']],
    ['a/!', 'b/!'],
  ],
  ['opaque directories', [['a/b/', 'directory'], ['a/.wh..wh..opq']], ['a/!', 'a/b/']],
  [
    "AUFS's own names mean nothing",
    [['.wh..wh.plnk/1.2'], ['.wh..wh.aufs'], ['a']],
    ['.wh..wh.plnk/', '.wh..wh.plnk/1.2', 'a'],
  ],
  ['names that objects have', [['__proto__/x'], ['constructor']], ['__proto__/', '__proto__/x', 'constructor']],
];
function asLine(line: readonly string[]): Line {
  return line as unknown as Line;
}

for (const [what, lines, expected] of shapes) {
  test(`a layer: ${what}`, async (t) => {
    const { layer } = await convert(t, archive(lines));
    assert.deepEqual(show(layer.root), expected);
  });
}

const refused: readonly [string, readonly Line[], RegExp][] = [
  ['a name above the root', [['../x']], /outside of the root/],
  ['a name above the root in the middle', [['a/../../x']], /outside of the root/],
  ['a hard link to above the root', [['l', 'hardlink', '../../etc/passwd']], /outside of the root/],
  ['a hard link to nothing', [['l', 'hardlink', '/etc/passwd']], /no such file/],
  ['a hard link to a later member', [['l', 'hardlink', 'f'], ['f']], /no such file/],
  [
    'a hard link to a directory',
    [
      ['d/', 'directory'],
      ['l', 'hardlink', 'd'],
    ],
    /is a directory/,
  ],
  ['a file as a parent', [['f'], ['f/x']], /not a directory/],
  ['a device as a parent', [['f', 'char'], ['f/x']], /not a directory/],
  ['a loop of links', [['a', 'symlink', 'b'], ['b', 'symlink', 'a'], ['a/x']], /too many levels/],
  ['a component of 256 bytes', [['x'.repeat(256)]], /too long/],
  ['a link target with a component of 256 bytes', [['l', 'symlink', 'x'.repeat(256)], ['l/f']], /too long/],
  ['a root that is a file', [['.']], /not a directory/],
  ['a whiteout of nothing', [['.wh.']], /not a valid whiteout/],
  ['a whiteout of the directory itself', [['d/.wh..']], /not a valid whiteout/],
  ['a whiteout of the parent', [['d/.wh...']], /not a valid whiteout/],
];

for (const [what, lines, message] of refused) {
  test(`a layer refuses ${what}`, async (t) => {
    await assert.rejects(convert(t, archive(lines)), (error: unknown) => {
      assert.ok(error instanceof EngineError && error.code === 'invalid', String(error));
      assert.match(error.message, message);
      return true;
    });
  });
}

function fsck(): string | false {
  try {
    execFileSync('fsck.erofs', ['-V'], { stdio: 'ignore' });
    return false;
  } catch {
    return 'fsck.erofs is not installed';
  }
}

/** Its exit code alone does not tell everything. */
function complaints(path: string): string {
  const { status, stderr } = spawnSync('fsck.erofs', [path], { encoding: 'utf8' });
  return `${status === 0 ? '' : `exit code ${status}\n`}${stderr}`;
}

test('fsck.erofs finds nothing wrong, whatever the sizes', { skip: fsck() }, async (t) => {
  const parts: Buffer[] = [];
  const sizes = [0, 1, 2048, 3072, 3073, 4032, 4095, 4096, 4097, 7168, 7169, 8192, 70_000, 200_000, 1_048_577];
  for (const size of sizes) {
    const xattrs = new Map([['user.x', Buffer.alloc(size % 3000, 'v')]]);
    const body = Buffer.alloc(size, `${size} `);
    parts.push(encodeTarHeader({ ...plain, name: `s${size}`, size, xattrs }), body, tarPadding(size));
  }
  parts.push(
    archive([
      ['long', 'symlink', 't'.repeat(4095)],
      ['s', 'symlink', 't'],
      ['h', 'hardlink', 's4097'],
    ]),
  );
  const many = Array.from({ length: 3000 }, (_, i): Line => [`dir/${'n'.repeat(i % 200)}${i}`]);
  const deep = Array.from({ length: 60 }, (_, i): Line => [`${'d/'.repeat(i)}f`]);
  const tar = Buffer.concat([
    ...parts.map((part, i) => (i === parts.length - 1 ? part.subarray(0, -1024) : part)),
    archive([...many, ...deep]),
  ]);
  const { path, layer } = await convert(t, tar);
  assert.equal(complaints(path), '');
  assert.ok(readFileSync(path).length % 4096 === 0);
  assert.equal(layer.root.children.size, sizes.length + 6);
  // The check itself must be able to fail.
  const broken = readFileSync(path);
  broken.fill(0xff, 1152, 1160);
  await writeFile(path, broken);
  assert.notEqual(complaints(path), '');
});

test('a whiteout is a character device 0/0, one inode for all', async (t) => {
  const { layer } = await convert(t, archive([['.wh.a'], ['d/.wh.b']]));
  const a = layer.root.children.get('a');
  const d = layer.root.children.get('d');
  assert.ok(a !== undefined && !isDirectory(a) && isDirectory(d));
  assert.equal(codeOfRef(a), 3);
  assert.equal(d.children.get('b'), a);
});
