import { createWriteStream } from 'node:fs';
import { chmod, copyFile, mkdir, mkdtemp, open, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { createReadStream } from 'node:fs';
import { cacheFolder } from './docker-client.ts';
import { exists, type ImageRecipe, stableTar, writeImageArchive } from './image-archive.ts';
import { must } from './run.ts';

/** Part of the file names in the cache: raise it when a recipe changes. */
const generation = 1;

/** A tag that tests use, with the file that `docker load -i` takes. */
export interface TestImage {
  readonly name: string;
  readonly archive: string;
  readonly recipe: ImageRecipe;
}

/** All images by their short name; each is made at its first use and kept in the cache. */
const recipes = {
  busybox: { name: 'gantry-test/busybox:1', layers: [busyboxLayer], config: { Cmd: ['sh'] } },
  attack: { name: 'gantry-test/attack:1', layers: [busyboxLayer, attackLayer], config: { Cmd: ['true'] } },
  debian: { name: 'gantry-test/debian:1', layers: [debianLayer], config: { Cmd: ['bash'] } },
  node: {
    name: 'gantry-test/node:1',
    layers: [debianLayer, nodeLayer('usr/lib'), nodeLayer('usr/bin'), nodeLayer('usr/share')],
    config: { Cmd: ['node'], WorkingDir: '/app', User: '1000:1000' },
  },
  todo: {
    name: 'gantry-test/todo:1',
    layers: [todoLayer],
    config: { Entrypoint: ['docker-entrypoint.sh'], Cmd: ['mariadbd'], ExposedPorts: { '3306/tcp': {} } },
  },
  languages: { name: 'gantry-test/languages:1', layers: [languagesLayer], config: { Cmd: ['bash'] } },
  many: { name: 'gantry-test/many:1', layers: [busyboxLayer, manyFilesLayer], config: { Cmd: ['true'] } },
} as const satisfies Record<
  string,
  { name: string; layers: readonly ((work: string) => Promise<string>)[]; config: ImageRecipe['config'] }
>;

export type ImageName = keyof typeof recipes;

const making = new Map<ImageName, Promise<TestImage>>();

/** The image `name`, made when it is not in the cache. Safe to call from several test processes at once. */
export function testImage(name: ImageName): Promise<TestImage> {
  let image = making.get(name);
  if (image === undefined) {
    image = makeImage(name);
    making.set(name, image);
  }
  return image;
}

async function makeImage(name: ImageName): Promise<TestImage> {
  const { name: reference, layers: makers, config } = recipes[name];
  const folder = join(cacheFolder, 'images');
  await mkdir(folder, { recursive: true });
  const layers: string[] = [];
  for (const make of makers) layers.push(await make(folder));
  const recipe = { name: reference, config, layers };
  const archive = join(folder, `${name}-${generation}.tar`);
  if (!(await exists(archive))) await writeImageArchive(recipe, archive);
  return { name: reference, archive, recipe };
}

/** The image of 30,000 files as one gzip file: what `load` is measured with. */
export async function manyFilesGzip(): Promise<TestImage> {
  const image = await testImage('many');
  const archive = `${image.archive}.gz`;
  if (!(await exists(archive))) {
    const partial = `${archive}-${process.pid}`;
    await pipeline(createReadStream(image.archive), createGzip({ level: 6 }), createWriteStream(partial));
    await must('mv', [partial, archive]);
  }
  return { ...image, archive };
}

/** Makes `name` in the cache out of the files that `fill` puts into an empty folder. */
async function layer(
  cache: string,
  name: string,
  fill: (root: string) => Promise<void>,
  options: { readonly keepOwners?: boolean } = {},
): Promise<string> {
  const target = join(cache, `${name}-${generation}.layer`);
  if (await exists(target)) return target;
  const root = await mkdtemp(`${target}-`);
  try {
    await chmod(root, 0o755);
    await fill(root);
    const owners =
      options.keepOwners === true ? stableTar.filter((option) => !/owner=0|group=0/.test(option)) : stableTar;
    await must('tar', [...owners, '-cf', `${root}.tar`, '-C', root, '.']);
    await must('mv', [`${root}.tar`, target]);
  } finally {
    await rm(root, { recursive: true });
  }
  return target;
}

/** The host's static busybox with a link for each of its commands, users and the usual folders. */
async function busyboxLayer(cache: string): Promise<string> {
  return layer(cache, 'busybox', async (root) => {
    for (const folder of ['bin', 'etc', 'dev', 'proc', 'sys', 'root', 'home', 'var/www', 'usr/bin', 'run']) {
      await mkdir(join(root, folder), { recursive: true });
    }
    await mkdir(join(root, 'tmp'));
    await chmod(join(root, 'tmp'), 0o1777);
    await symlink('../run', join(root, 'var/run'));
    const busybox = (await must('sh', ['-c', 'command -v busybox'])).trim();
    await copyFile(busybox, join(root, 'bin/busybox'));
    await chmod(join(root, 'bin/busybox'), 0o755);
    const applets = (await must(busybox, ['--list'])).split('\n').filter((name) => name !== '' && name !== 'busybox');
    for (const name of applets) await symlink('busybox', join(root, 'bin', name));
    await writeFile(
      join(root, 'etc/passwd'),
      'root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n',
    );
    await writeFile(join(root, 'etc/group'), 'root:x:0:\nuser:x:1000:\nextra:x:2000:user\nnogroup:x:65534:\n');
    await writeFile(join(root, 'var/www/index.html'), '<h1>served from a container</h1>\n');
  });
}

/** Links where the engine mounts its own file systems: a runtime that follows them writes into the host. */
async function attackLayer(cache: string): Promise<string> {
  return layer(cache, 'attack', async (root) => {
    for (const name of ['dev', 'proc', 'sys']) await symlink(`/tmp/gantry-canary/${name}`, join(root, name));
  });
}

/** The smallest Debian that runs bash and dpkg. */
async function debianLayer(cache: string): Promise<string> {
  return layer(cache, 'debian', (root) => debootstrap(root, []), { keepOwners: true });
}

/** What Debian's nodejs adds to the small Debian, in the part `below` of the tree. */
function nodeLayer(below: string): (cache: string) => Promise<string> {
  return (cache) =>
    layer(cache, `node-${below.replace('/', '-')}`, async (root) => {
      const full = await layer(cache, 'debian-node', (tree) => debootstrap(tree, ['nodejs']), { keepOwners: true });
      const small = await debianLayer(cache);
      const had = new Set((await must('tar', ['-tf', small])).split('\n'));
      const names = (await must('tar', ['-tf', full])).split('\n');
      const added = names.filter((name) => name.startsWith(`./${below}/`) && !name.endsWith('/') && !had.has(name));
      await must('tar', ['-xf', full, '-C', root, '-T', '-'], { input: added.join('\n') });
    });
}

/** Debian with apt, Go, Python, PHP, and Node with npm and yarn as their registry has them: what applications stand on. */
async function languagesLayer(cache: string): Promise<string> {
  return layer(
    cache,
    'languages',
    async (root) => {
      await debootstrap(root, ['apt', 'golang-go', 'nodejs', 'php-cli', 'python3-pip', 'python3-venv']);
      const modules = join(root, 'usr/local/lib/node_modules');
      for (const [name, version, program] of managers) {
        const folder = join(modules, name);
        await mkdir(folder, { recursive: true });
        const packed = await must('npm', ['pack', '--silent', `${name}@${version}`], { cwd: modules });
        await must('tar', ['-xzf', join(modules, packed), '-C', folder, '--strip-components=1', '--no-same-owner']);
        await rm(join(modules, packed));
        await chmod(join(folder, program), 0o755);
        await symlink(`../lib/node_modules/${name}/${program}`, join(root, 'usr/local/bin', name));
      }
    },
    { keepOwners: true },
  );
}

/** The last ones for the Node of Debian 12, with their programs. */
const managers = [
  ['npm', '10.9.4', 'bin/npm-cli.js'],
  ['yarn', '1.22.22', 'bin/yarn.js'],
] as const;

/**
 * Debian with MariaDB and Node, and an entry point that makes the database as images of MySQL do: root's password and an
 * empty database by the environment, in an empty folder only.
 */
async function todoLayer(cache: string): Promise<string> {
  return layer(
    cache,
    'todo',
    async (root) => {
      await debootstrap(root, ['nodejs', 'mariadb-server-core', 'mariadb-client-core']);
      const entry = join(root, 'usr/local/bin/docker-entrypoint.sh');
      await writeFile(entry, todoEntryPoint);
      await chmod(entry, 0o755);
    },
    { keepOwners: true },
  );
}

const todoEntryPoint = `#!/bin/sh
set -e
[ "$1" = mariadbd ] || exec "$@"
data=/var/lib/mysql
mkdir -p "$data" /run/mysqld
shift
if [ ! -d "$data/mysql" ]; then
  mariadb-install-db --user=root --datadir="$data" --auth-root-authentication-method=normal --skip-test-db >/dev/null
  printf 'CREATE DATABASE %s;\nALTER USER root@localhost IDENTIFIED BY "%s";\nGRANT ALL ON *.* TO root@"%%" IDENTIFIED BY "%s" WITH GRANT OPTION;\n' \
    "$MYSQL_DATABASE" "$MYSQL_ROOT_PASSWORD" "$MYSQL_ROOT_PASSWORD" > /run/mysqld/first.sql
  set -- --init-file=/run/mysqld/first.sql "$@"
fi
exec mariadbd --user=root --datadir="$data" --bind-address=0.0.0.0 --socket=/run/mysqld/mysqld.sock "$@"
`;

async function debootstrap(root: string, packages: readonly string[]): Promise<void> {
  const include = packages.length === 0 ? [] : [`--include=${packages.join(',')}`];
  const options = [
    '--quiet',
    '--mode=root',
    '--variant=essential',
    '--format=tar',
    '--aptopt=Acquire::Languages "none"',
    '--dpkgopt=force-unsafe-io',
  ];
  // Its mounts in a namespace of its own: tests that run meanwhile take stock of what they see.
  const command = ['--mount', 'mmdebstrap', ...options, ...include, 'bookworm', `${root}.raw`];
  await must('unshare', command, { timeout: 1_800_000 });
  // Device nodes are made by the engine; the rest of /dev is not part of an image.
  await must('tar', ['-xf', `${root}.raw`, '-C', root, '--exclude=./dev/*']);
  await rm(`${root}.raw`);
}

const manyFiles = 30_000;

/** 30,000 files, the same at every run: half of each is text that compresses, half is noise that does not. */
async function manyFilesLayer(cache: string): Promise<string> {
  return layer(cache, 'many', async (root) => {
    const noise = noiseSource(20_240_101);
    const text = Buffer.from('the quick brown fox jumps over the lazy dog\n'.repeat(400));
    for (let folder = 0; folder < manyFiles / 100; folder++) {
      const path = join(root, 'data', String(folder % 10), String(folder));
      await mkdir(path, { recursive: true });
      for (let at = 0; at < 100; at++) {
        const size = 600 + (noise.next() % 10_240);
        const file = await open(join(path, `file-${at}.bin`), 'w');
        await file.write(noise.bytes(size));
        await file.write(text, 0, size);
        await file.close();
      }
    }
  });
}

/** A small generator of numbers (xorshift32): the same seed gives the same files everywhere. */
function noiseSource(seed: number): { next(): number; bytes(size: number): Buffer } {
  let state = seed;
  const next = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state;
  };
  const bytes = (size: number): Buffer => {
    const buffer = Buffer.alloc(size + 4);
    for (let at = 0; at < size; at += 4) buffer.writeUInt32LE(next(), at);
    return buffer.subarray(0, size);
  };
  return { next, bytes };
}
