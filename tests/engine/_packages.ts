/** Small packages of several languages, made here: what applications in tests install from a folder, without a network. */
import { createHash } from 'node:crypto';
import { crc32, gzipSync } from 'node:zlib';
import { type TarMember, tarOf } from '../support/tar.ts';

type Files = Readonly<Record<string, string>>;

/** The bytes of each file by its path: part of a build's context. */
export type Packed = Readonly<Record<string, string | Uint8Array>>;

const sha256 = (bytes: string | Uint8Array, encoding: 'hex' | 'base64' = 'hex'): string =>
  createHash('sha256').update(bytes).digest(encoding);

const membersOf = (prefix: string, files: Files): TarMember[] =>
  Object.entries(files).map(([name, body]) => ({ name: `${prefix}${name}`, body }));

/** `NAME-1.0.0.tgz` as npm packs it, and what a lock file says of it. */
export function npmPackage(name: string, source: string): { readonly bytes: Uint8Array; readonly integrity: string } {
  const about = JSON.stringify({ name, version: '1.0.0', main: 'index.js' });
  const bytes = gzipSync(tarOf(membersOf('package/', { 'package.json': about, 'index.js': source })));
  return { bytes, integrity: `sha512-${createHash('sha512').update(bytes).digest('base64')}` };
}

/** A wheel of one pure module, version 1.0 (PyPA's binary distribution format). */
export function wheel(name: string, source: string): Uint8Array {
  const about = `${name}-1.0.dist-info`;
  const files = {
    [`${name}.py`]: source,
    [`${about}/METADATA`]: `Metadata-Version: 2.1\nName: ${name}\nVersion: 1.0\n`,
    [`${about}/WHEEL`]: 'Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n',
  };
  const record = Object.entries(files).map(
    ([path, text]) =>
      `${path},sha256=${sha256(text, 'base64').replace(/=+$/, '').replaceAll('+', '-').replaceAll('/', '_')},${text.length}\n`,
  );
  return zipOf({ ...files, [`${about}/RECORD`]: `${record.join('')}${about}/RECORD,,\n` });
}

/** A Go module's version 1.0.0 as GOPROXY serves it from the folder `root`, and its lines of go.sum. */
export function goModule(root: string, path: string, files: Files): { readonly proxy: Packed; readonly sum: string } {
  const mod = `module ${path}\n\ngo 1.19\n`;
  const inZip = Object.entries({ 'go.mod': mod, ...files }).map(
    ([name, text]) => [`${path}@v1.0.0/${name}`, text] as const,
  );
  const versions = `${root}/${path}/@v`;
  const proxy = {
    [`${versions}/list`]: 'v1.0.0\n',
    [`${versions}/v1.0.0.info`]: JSON.stringify({ Version: 'v1.0.0', Time: '2023-05-06T07:08:09Z' }),
    [`${versions}/v1.0.0.mod`]: mod,
    [`${versions}/v1.0.0.zip`]: zipOf(Object.fromEntries(inZip)),
  };
  const sum = `${path} v1.0.0 ${goHash(inZip)}\n${path} v1.0.0/go.mod ${goHash([['go.mod', mod]])}\n`;
  return { proxy, sum };
}

/** The hash `h1` of go.sum: of the list of the files' hashes, by name. */
function goHash(files: readonly (readonly [string, string])[]): string {
  const list = files.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([name, text]) => `${sha256(text)}  ${name}\n`);
  return `h1:${sha256(list.join(''), 'base64')}`;
}

/** An archive of Debian packages in the folder `root`, with one package that has these files. */
export function debianArchive(root: string, name: string, files: Files): Packed {
  const control = `Package: ${name}\nVersion: 1.0\nArchitecture: all\nMaintainer: tests <tests@localhost>\nDescription: for tests\n`;
  const bytes = arOf({
    'debian-binary': Buffer.from('2.0\n'),
    'control.tar': tarOf(membersOf('./', { control })),
    'data.tar': tarOf([...foldersOf(files), ...membersOf('./', files)]),
  });
  const about = `${control}Filename: ./${name}.deb\nSize: ${bytes.length}\nSHA256: ${sha256(bytes)}\n`;
  return { [`${root}/${name}.deb`]: bytes, [`${root}/Packages`]: about };
}

/** The folders above the files, which dpkg wants in a package, outer ones first. */
function foldersOf(files: Files): TarMember[] {
  const names = Object.keys(files).flatMap((path) => {
    const above = path.split('/').slice(0, -1);
    return above.map((_, at) => `./${above.slice(0, at + 1).join('/')}/`);
  });
  return [...new Set(['./', ...names])].map((name) => ({ name }));
}

function arOf(members: Readonly<Record<string, Uint8Array>>): Buffer {
  const parts = Object.entries(members).flatMap(([name, body]) => {
    const header = `${name.padEnd(16)}${'1683356889'.padEnd(12)}${'0'.padEnd(6)}${'0'.padEnd(6)}${'100644'.padEnd(8)}${String(body.length).padEnd(10)}\`\n`;
    return [Buffer.from(header), body, Buffer.alloc(body.length % 2, '\n')];
  });
  return Buffer.concat([Buffer.from('!<arch>\n'), ...parts]);
}

/** An archive of stored files, all of one time. */
function zipOf(files: Files): Buffer {
  const local: Buffer[] = [];
  const central: Buffer[] = [];
  let at = 0;
  for (const [path, text] of Object.entries(files)) {
    const [name, body] = [Buffer.from(path), Buffer.from(text)];
    // Version 2.0, no flags, stored; 2023-05-06 07:08:08.
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE((7 << 11) | (8 << 5) | 4, 6);
    common.writeUInt16LE((43 << 9) | (5 << 5) | 6, 8);
    common.writeUInt32LE(crc32(body), 10);
    common.writeUInt32LE(body.length, 14);
    common.writeUInt32LE(body.length, 18);
    common.writeUInt16LE(name.length, 22);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE((0o100644 << 16) >>> 0, 6);
    rest.writeUInt32LE(at, 10);
    local.push(Buffer.from('PK\u0003\u0004'), common, name, body);
    central.push(Buffer.from('PK\u0001\u0002'), Buffer.from([20, 3]), common, rest, name);
    at += 4 + common.length + name.length + body.length;
  }
  const end = Buffer.alloc(18);
  end.writeUInt16LE(Object.keys(files).length, 4);
  end.writeUInt16LE(Object.keys(files).length, 6);
  end.writeUInt32LE(Buffer.concat(central).length, 8);
  end.writeUInt32LE(at, 12);
  return Buffer.concat([...local, ...central, Buffer.from('PK\u0005\u0006'), end]);
}
