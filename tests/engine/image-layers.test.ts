import assert from 'node:assert/strict';
import { test } from 'node:test';
import { busyboxLayer, type CraftedLayer, dockerArchive, layerOf, sha256 } from '../support/crafted-image.ts';
import { engineSuite } from '../support/suite.ts';
import type { TarMember } from '../support/tar.ts';

/** What layers can hold, as programs in a container see it. */
engineSuite('layers', {}, (engine) => {
  /** Loads busybox with these layers above it and runs a shell script in a container of it. */
  async function inContainer(
    layers: readonly (readonly TarMember[])[],
    script: string,
    ...flags: string[]
  ): Promise<string> {
    const crafted: CraftedLayer[] = [await busyboxLayer(), ...layers.map((members) => layerOf(...members))];
    await engine().dockerOk(['load'], { input: dockerArchive({ names: ['crafted:layers'], layers: crafted }) });
    return engine().dockerOk(['run', '--rm', ...flags, 'crafted:layers', 'sh', '-c', script]);
  }
  const files = (...names: string[]): TarMember[] => names.map((name) => ({ name, body: name }));

  test('a whiteout hides a file, a directory and a link of the layers below', async () => {
    const below = [...files('a/gone', 'a/stays', 'b/gone/deep'), { name: 'link', type: 'symlink', link: 'a' } as const];
    const above = [{ name: 'a/.wh.gone' }, { name: 'b/.wh.gone' }, { name: '.wh.link' }];
    assert.equal(await inContainer([below, above], 'find /a /b /link 2>/dev/null | sort'), '/a\n/a/stays\n/b');
  });

  test('what a whiteout hid can come back in a higher layer, without what was in it', async () => {
    const layers = [files('d/old', 'f'), [{ name: '.wh.d' }, { name: '.wh.f' }], files('d/new', 'f/now-a-directory')];
    assert.equal(await inContainer(layers, 'find /d /f | sort'), '/d\n/d/new\n/f\n/f/now-a-directory');
  });

  test('an opaque directory shows only what its own layer has', async () => {
    const layers = [files('d/old', 'd/sub/old'), [...files('d/new'), { name: 'd/.wh..wh..opq' }]];
    assert.equal(await inContainer(layers, 'find /d | sort'), '/d\n/d/new');
  });

  test('a directory takes the place of a file and a file that of a directory', async () => {
    const layers = [files('x', 'y/z'), files('x/in', 'y')];
    assert.equal(await inContainer(layers, 'find /x /y | sort; cat /y'), '/x\n/x/in\n/y\ny');
  });

  test('hard links are one file, also after it is written to', async () => {
    const link = { name: 'second', type: 'hardlink', link: 'first' } as const;
    const script = 'stat -c %h /first; [ /first -ef /second ] && echo same; echo more >> /first; cat /second';
    assert.equal(await inContainer([[...files('first'), link]], script), '2\nsame\nfirst');
    // Overlay copies one name up: the other keeps the image's content, as with every overlay (index=off).
  });

  test('modes, owners, set-id bits, times, odd names', async () => {
    const names = ['with space', 'новый', 'new\nline', `${'n'.repeat(255)}`, `${'deep/'.repeat(60)}end`];
    const members: TarMember[] = [
      { name: 'tool', body: 'x', mode: 0o6755, uid: 1000, gid: 2000 },
      { name: 'sticky/', mode: 0o1777 },
      ...names.map((name) => ({ name, body: 'odd' })),
    ];
    const script = `stat -c '%a %u %g %Y' /tool /sticky; cat '/with space' /новый "/$(printf 'new\\nline')" /${names[3]} /${names[4]}`;
    const shown = await inContainer([members], script);
    assert.equal(shown, `6755 1000 2000 1704067200\n1777 0 0 1704067200\n${'odd'.repeat(5)}`);
  });

  test('a file capability works for a user who is not root', async () => {
    // struct vfs_cap_data of version 2, effective, CAP_NET_BIND_SERVICE (10) permitted.
    const capability = Buffer.alloc(20);
    capability.writeUInt32LE(0x0200_0001, 0);
    capability.writeUInt32LE(1 << 10, 4);
    const { blob } = await busyboxLayer();
    const busybox = bodyOf(blob, './bin/busybox');
    const member = { name: 'cap/busybox', body: busybox, mode: 0o755, xattrs: { 'security.capability': capability } };
    const script = '/cap/busybox grep CapEff /proc/self/status; /bin/busybox grep CapEff /proc/self/status';
    const shown = await inContainer([[member]], script, '--user', '1000');
    assert.equal(shown, 'CapEff:\t0000000000000400\nCapEff:\t0000000000000000');
  });

  test('attributes of users are kept, those of the host are not', async () => {
    const xattrs = { 'user.note': Buffer.from('kept'), 'trusted.overlay.redirect': Buffer.from('/etc') };
    const layers = [[{ name: 'noted/', xattrs }, ...files('noted/file')]];
    assert.equal(await inContainer(layers, 'ls /noted'), 'file');
  });

  test('pipes and device nodes are there; the nodes cannot be opened', async () => {
    const members: TarMember[] = [
      { name: 'pipe', type: 'fifo' },
      { name: 'null', type: 'char', device: [1, 3], mode: 0o666 },
      { name: 'disk', type: 'block', device: [254, 0], mode: 0o666 },
    ];
    const script =
      'stat -c "%F %t %T" /pipe /null /disk; (echo through > /pipe &); cat /pipe; cat /disk 2>&1; cat /null 2>&1';
    const [pipe, character, disk, through, denied] = (await inContainer([members], script)).split('\n');
    assert.deepEqual(
      [pipe, character, disk, through],
      ['fifo 0 0', 'character special file 1 3', 'block special file fe 0', 'through'],
    );
    assert.match(denied ?? '', /can't open '\/disk': (Operation not permitted|Permission denied)/);
  });

  test('large files, with holes and without', async () => {
    const noise = Buffer.alloc(40 << 20, 'not a hole ');
    const members = [
      { name: 'zeros', body: Buffer.alloc(64 << 20) },
      { name: 'text', body: noise },
    ];
    const sums = await inContainer([members], 'sha256sum /zeros /text | cut -c 1-64; stat -c %s /zeros /text');
    assert.equal(sums, [sha256(Buffer.alloc(64 << 20)), sha256(noise), 64 << 20, 40 << 20].join('\n'));
  });

  test('layers with nothing in them, several times', async () => {
    assert.equal(await inContainer([[], files('after'), [], []], 'cat /after'), 'after');
  });

  test('90 layers, of which each changes a file', async () => {
    const layers = Array.from({ length: 90 }, (_, at) => [
      { name: 'count', body: String(at + 1) },
      { name: `only-in/${at}`, body: '' },
    ]);
    assert.equal(await inContainer(layers, 'cat /count; ls /only-in | wc -l'), '9090');
    const shown = await engine().dockerOk(['history', '-q', 'crafted:layers']);
    assert.equal(shown.split('\n').length, 91);
  });
});

/** The content of one member of a plain tar, found by its header. */
function bodyOf(tar: Uint8Array, name: string): Uint8Array {
  const bytes = Buffer.from(tar);
  const at = bytes.indexOf(Buffer.from(`${name}\0`));
  assert.ok(at >= 0 && at % 512 === 0, `${name} is in the archive`);
  const size = Number.parseInt(bytes.toString('latin1', at + 124, at + 135), 8);
  return bytes.subarray(at + 512, at + 512 + size);
}
