/**
 * `node tools/build.ts`: builds what runs in production into build/.
 *
 *     build/engine/gantryd.js, *.worker.js   the engine's bundle; all workers lie flat beside it
 *     build/bin/gantryd                      starts the engine's bundle with the pinned Node
 *     build/bin/dockerd                      the same, with Docker's default socket and configuration file
 *     build/bin/gantry                       the command line, compiled; a Node bundle where Bun is not to be had
 *     build/stamp, build/source              when it was built, and the link whose target is touched by changes
 *
 * Everything is written beside its place and renamed, so that a program in use is never half new.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { build, type BuildOptions } from 'esbuild';
import { sourceFiles } from './source-files.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..');
const target = join(root, 'build');
const staging = join(target, `staging-${process.pid}`);

/**
 * Flags of Node that the engine runs with: no polluted prototypes, no note that node:ffi is experimental, less memory
 * while it works and at rest (src/sys/process/rest.ts).
 */
const engineFlags = '--disable-proto=delete --disable-warning=ExperimentalWarning --max-semi-space-size=4 --expose-gc';

/**
 * For glibc's malloc: give back large blocks at once, and what the threads free. Together with the small young generation
 * an engine that has loaded 171 MB of image takes 124 MB afterwards instead of 139.
 */
const engineEnvironment = 'MALLOC_ARENA_MAX=2 MALLOC_TRIM_THRESHOLD_=131072 MALLOC_MMAP_THRESHOLD_=131072';

const common: BuildOptions = {
  bundle: true,
  platform: 'node',
  target: 'esnext',
  format: 'esm',
  minifySyntax: true,
  legalComments: 'eof',
  sourcemap: 'linked',
  // Packages in CommonJS call `require`, which a module of ES does not have.
  banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
};

async function buildEngine(): Promise<void> {
  const workers = sourceFiles(join(root, 'src'), '.worker.ts');
  await build({
    ...common,
    entryPoints: [
      { in: join(root, 'src/bin/gantryd.ts'), out: 'gantryd' },
      ...workers.map((path) => ({ in: path, out: basename(path, '.ts') })),
    ],
    outdir: join(staging, 'engine'),
  });
}

/** A script of three lines: the path of Node is looked up when it runs, so that a checkout can be moved. */
async function writeEngineStarter(): Promise<void> {
  const node = `node-linux-${process.arch}`;
  const text = [
    '#!/bin/sh',
    '# Written by tools/build.ts: starts the engine.',
    'self=$0',
    '[ ! -L "$self" ] || self=$(readlink -f "$self")',
    'here=${self%/*}',
    `export ${engineEnvironment} GANTRY_PROGRAM="\${0##*/}"`,
    `exec "$here/../../node_modules/${node}/bin/node" ${engineFlags} "$here/../engine/gantryd.js" "$@"`,
  ];
  await writeProgram('gantryd', text);
  // Whoever looks for dockerd on the PATH finds an engine that takes its flags.
  await symlink('gantryd', join(staging, 'bin', 'dockerd'));
}

async function writeProgram(name: string, lines: readonly string[]): Promise<void> {
  const path = join(staging, 'bin', name);
  await writeFile(path, `${lines.join('\n')}\n`);
  await chmod(path, 0o755);
}

/** Bun's own program: its npm package holds only a place for it until an install script has run, which none does here. */
function findBun(): string | undefined {
  const platform = process.arch === 'arm64' ? 'linux-aarch64' : 'linux-x64';
  return [`node_modules/@oven/bun-${platform}/bin/bun`, 'node_modules/bun/bin/bun.exe']
    .map((path) => join(root, path))
    .find((path) => existsSync(path));
}

async function buildCommandLine(): Promise<void> {
  const entry = join(root, 'src/bin/gantry.ts');
  const bun = findBun();
  if (bun !== undefined) {
    const output = join(staging, 'bin/gantry');
    const args = ['build', '--compile', '--bytecode', '--minify', '--format=cjs', entry];
    await run(bun, [...args, `--outfile=${output}`], { cwd: staging });
    return;
  }
  console.error('build: Bun is not to be had for this platform; the command line runs on Node (slower to start)');
  await build({ ...common, entryPoints: [{ in: entry, out: 'gantry' }], outdir: join(staging, 'engine') });
  const node = `node-linux-${process.arch}`;
  await writeProgram('gantry', [
    '#!/bin/sh',
    'here=${0%/*}',
    `exec "$here/../../node_modules/${node}/bin/node" "$here/../engine/gantry.js" "$@"`,
  ]);
}

/** The file that changes with every pull, checkout and commit; package.json where there is no git. */
async function changingFile(): Promise<string> {
  const git = join(root, '.git');
  if (existsSync(join(git, 'index'))) return join(git, 'index');
  // In a worktree `.git` is a file that names the real folder.
  const link = await readFile(git, 'utf8').catch(() => '');
  const index = resolve(root, link.replace('gitdir:', '').trim(), 'index');
  return link !== '' && existsSync(index) ? index : join(root, 'package.json');
}

async function replace(name: string): Promise<void> {
  const place = join(target, name);
  const old = join(target, `old-${process.pid}-${name}`);
  if (existsSync(place)) await rename(place, old);
  await rename(join(staging, name), place);
  await rm(old, { recursive: true, force: true });
}

const started = new Date();
await mkdir(join(staging, 'bin'), { recursive: true });
try {
  await Promise.all([buildEngine(), writeEngineStarter(), buildCommandLine()]);
  await writeFile(join(staging, 'stamp'), '');
  // A source that is edited during the build is newer than the stamp.
  await utimes(join(staging, 'stamp'), started, started);
  await symlink(await changingFile(), join(staging, 'source'));
  for (const name of ['engine', 'bin', 'source', 'stamp']) await replace(name);
} catch (error) {
  // esbuild and bun have said what is wrong; only a failure of this program itself needs its trace.
  if (!(error instanceof Error && 'stderr' in error)) throw error;
  console.error(String(error.stderr));
  process.exitCode = 1;
} finally {
  await rm(staging, { recursive: true, force: true });
}
