import { existsSync } from 'node:fs';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Scope } from '../../base/scope.ts';
import { composeLayout } from '../../spec/oci/layout.ts';
import type { ComposedFile } from '../../spec/oci/layout.ts';
import { CliError } from '../errors.ts';

const applets =
  'cat date echo env false free grep head hostname httpd id kill ls mkdir mount nc ping ps rm sh sleep tail true uname vi wget'.split(
    ' ',
  );

const page = `<!doctype html>
<title>Gantry</title>
<h1>It works</h1>
<p>This page comes out of a container.</p>
`;

/** Writes an image archive with the host's static busybox and a web page; removed with `scope`. Resolves with its path. */
export async function demoImage(scope: Scope, reference: string): Promise<string> {
  const busybox = await findBusybox();
  const folder = await scope.acquire(mkdtemp(join(tmpdir(), 'gantry-quickstart-')), (path) =>
    rm(path, { recursive: true, force: true }),
  );
  const path = join(folder, 'image.tar');
  await using file = await open(path, 'wx');
  const text = (content: string) => new TextEncoder().encode(content);
  const files: ComposedFile[] = [
    ...['bin', 'dev', 'etc', 'proc', 'sys', 'tmp', 'www'].map(
      (name): ComposedFile => ({ kind: 'directory', path: name, mode: name === 'tmp' ? 0o1777 : 0o755 }),
    ),
    { kind: 'file', path: 'bin/busybox', mode: 0o755, content: busybox },
    ...applets.map((name): ComposedFile => ({ kind: 'link', path: `bin/${name}`, target: 'busybox' })),
    {
      kind: 'file',
      path: 'etc/passwd',
      mode: 0o644,
      content: text('root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n'),
    },
    { kind: 'file', path: 'etc/group', mode: 0o644, content: text('root:x:0:\nnogroup:x:65534:\n') },
    { kind: 'file', path: 'www/index.html', mode: 0o644, content: text(page) },
  ];
  const image = {
    reference: `docker.io/library/${reference}`,
    platform: { os: 'linux', architecture: process.arch === 'x64' ? 'amd64' : process.arch },
    config: {
      Cmd: ['httpd', '-f', '-v', '-p', '8080', '-h', '/www'],
      Env: ['PATH=/bin'],
      ExposedPorts: { '8080/tcp': {} },
      Labels: { 'gantry.quickstart': 'true' },
      StopSignal: 'SIGKILL',
    },
    files,
    created: new Date().toISOString(),
  };
  for (const chunk of composeLayout(image)) await file.write(chunk);
  return path;
}

/** busybox as Debian's busybox-static and others install it; it must need no library of the host. */
async function findBusybox(): Promise<Uint8Array> {
  for (const path of ['/bin/busybox', '/usr/bin/busybox', '/sbin/busybox', '/usr/lib/initramfs-tools/bin/busybox']) {
    if (!existsSync(path)) continue;
    const bytes = await readFile(path);
    if (isStatic(bytes)) return bytes;
  }
  throw new CliError('no static busybox on this machine: install the package busybox-static, or run ./gantry setup');
}

const interpreterHeader = 3;

/** An ELF program (64 bit, little endian) without an interpreter: it runs where there is nothing but itself. */
function isStatic(bytes: Uint8Array): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 64 || view.getUint32(0) !== 0x7f454c46 || view.getUint8(4) !== 2) return false;
  const table = Number(view.getBigUint64(32, true));
  const size = view.getUint16(54, true);
  const count = view.getUint16(56, true);
  for (let at = 0; at < count; at++) {
    const from = table + at * size;
    if (from + 4 > bytes.length || view.getUint32(from, true) === interpreterHeader) return false;
  }
  return true;
}
