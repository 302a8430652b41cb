import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { buildPlugins } from '../support/buildx.ts';
import { testImage } from '../support/images.ts';
import { run } from '../support/run.ts';
import { type Case, clientEnv, clients, docker, loadImage, timeClient, timeProgram } from './cases.ts';
import { cpuTimeOfAll } from './cpu.ts';
import type { Peer } from './engines.ts';
import { makeLargeFile, makeManyFiles, settle } from './file-cases.ts';
import { forgetPeak, peakSize } from './memory.ts';

/** Who sends a build: docker with buildx to everybody, or to Gantry its own command line. */
type Sender = 'buildx' | 'gantry build';

/** Name of what a case builds. */
const built = 'bench-built';

/** The command line that builds the folder. Podman has no BuildKit: it gets what docker sends to a classic builder. */
function buildCommand(peer: Peer, sender: Sender, folder: string, ...options: readonly string[]) {
  const words = ['build', '-t', built, ...options, folder];
  if (peer.name === 'podman') return { program: clients.docker, args: words, env: { DOCKER_BUILDKIT: '0' } };
  if (sender === 'gantry build' && peer.name.startsWith('gantry')) {
    return { program: clients.gantry, args: words, env: {} };
  }
  return { program: clients.docker, args: ['buildx', ...words], env: {} };
}

/** Milliseconds that the client runs. */
function timeBuild(peer: Peer, sender: Sender, folder: string, ...options: readonly string[]): Promise<number> {
  const { program, args, env } = buildCommand(peer, sender, folder, ...options);
  return timeProgram(program, args, { ...clientEnv(peer), ...env });
}

/**
 * Makes the folder that is built, once for all cases: what is deleted slows down new files, as file-cases.ts tells. Lets
 * the docker client find buildx.
 */
async function makeContext(peer: Peer, name: string, fill: (folder: string) => Promise<void>): Promise<void> {
  const plugins = JSON.stringify({ cliPluginsExtraDirs: [buildPlugins()] });
  await writeFile(join(peer.folder, 'client/config.json'), plugins);
  const folder = contextOf(peer, name);
  if (existsSync(folder)) return;
  await mkdir(folder, { recursive: true });
  await fill(folder);
}

const contextOf = (peer: Peer, name: string): string => join(peer.folder, 'contexts', name);

/** The engine has nothing left of former builds. What is not there is no mistake: podman has no cache of its own. */
async function forgetBuilds(peer: Peer): Promise<void> {
  await run(clients.docker, ['rmi', '-f', built], { env: clientEnv(peer) });
  if (peer.name !== 'podman') await docker(peer, 'buildx', 'prune', '-af');
}

const finish = forgetBuilds;

const write = async (path: string, text: string): Promise<void> => {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
};

const packages = Array.from({ length: 200 }, (_, at) => `package-${at}`);

/** What `npm install` comes to without a network: each dependency is copied from the folder that it names. */
const installer = `
const { cpSync, readFileSync } = require('node:fs');
const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
for (const [name, source] of Object.entries(dependencies)) {
  cpSync(source.slice('file:'.length), 'node_modules/' + name, { recursive: true });
}
`;

const nodeDockerfile = (image: string): string => `FROM ${image}
USER root
WORKDIR /app
COPY packages /packages
COPY package.json .
RUN node /packages/install.js
COPY . .
CMD ["node", "server.js"]
`;

/** An application for Node: 10,000 files, and 200 packages of 10 files each that it depends on. */
async function makeNodeApp(folder: string): Promise<void> {
  const { name } = await testImage('node');
  await write(join(folder, 'Dockerfile'), nodeDockerfile(name));
  await write(join(folder, 'server.js'), 'console.log("served");\n');
  const dependencies = Object.fromEntries(packages.map((each) => [each, `file:/packages/${each}`]));
  await write(join(folder, 'package.json'), JSON.stringify({ name: 'app', version: '1.0.0', dependencies }));
  await write(join(folder, 'packages/install.js'), installer);
  for (const each of packages) {
    const inside = join(folder, 'packages', each);
    await write(join(inside, 'package.json'), JSON.stringify({ name: each, version: '1.0.0', main: 'lib/0.js' }));
    for (let at = 0; at < 9; at++) await write(join(inside, `lib/${at}.js`), `exports.name = '${each}';\n`.repeat(50));
  }
  await makeManyFiles(join(folder, 'src'));
}

async function prepareNodeApp(peer: Peer): Promise<void> {
  await loadImage(peer, await testImage('node'));
  await makeContext(peer, 'node', makeNodeApp);
}

/** The Node app through one sender; the goals are ratios to dockerd through buildx. */
function nodeApp(
  sender: Sender,
  goals: { cold: number; cached: number; changed: number },
  without: readonly string[],
): readonly Case[] {
  const folderOf = (peer: Peer): string => contextOf(peer, 'node');
  return [
    {
      name: `${sender} of a Node app of 10,000 files, cold`,
      goal: goals.cold,
      second: { name: `${sender} of a Node app, all cached`, goal: goals.cached },
      without,
      prepare: prepareNodeApp,
      async measure(peer) {
        await forgetBuilds(peer);
        await settle();
        // Podman keeps no cache beside its images.
        const afresh = peer.name === 'podman' ? ['--no-cache'] : [];
        const cold = await timeBuild(peer, sender, folderOf(peer), ...afresh);
        await settle();
        return [cold, await timeBuild(peer, sender, folderOf(peer))];
      },
      finish,
    },
    {
      name: `${sender} of a Node app, one file changed`,
      goal: goals.changed,
      without,
      async prepare(peer) {
        await prepareNodeApp(peer);
        await timeBuild(peer, sender, folderOf(peer));
      },
      async measure(peer) {
        await writeFile(join(folderOf(peer), 'src/folder-0/file-0'), randomBytes(4096));
        await settle();
        return timeBuild(peer, sender, folderOf(peer));
      },
      finish,
    },
  ];
}

const unchanged: Case = {
  name: 'gantry build of 35,000 unchanged files, processor time of command and engine',
  most: 600,
  without: ['podman'],
  prepare: (peer) =>
    makeContext(peer, 'unchanged', async (folder) => {
      await write(join(folder, 'Dockerfile'), 'FROM scratch\nCOPY . /\n');
      await makeManyFiles(join(folder, 'src'), 35_000);
    }),
  async measure(peer) {
    const { program, args } = buildCommand(peer, 'gantry build', contextOf(peer, 'unchanged'));
    const before = await cpuTimeOfAll(peer);
    const { cpu } = await timeClient(peer, program, args, 1);
    return cpu + (await cpuTimeOfAll(peer)) - before;
  },
  finish,
};

const stageNames = Array.from({ length: 10 }, (_, at) => `stage-${at}`);

/** Each stage keeps one processor busy for about a second, and depends on nothing but the round. */
const stagesDockerfile = (image: string): string =>
  [
    `FROM ${image} AS base`,
    ...stageNames.flatMap((name) => [
      `FROM base AS ${name}`,
      'ARG ROUND',
      `RUN i=0; while [ $i -lt 1000000 ]; do i=$((i+1)); done; echo "$ROUND ${name}" > /result`,
    ]),
    'FROM scratch',
    ...stageNames.map((name) => `COPY --from=${name} /result /${name}`),
    '',
  ].join('\n');

const stages: Case = {
  name: 'gantry build of ten independent stages',
  // 1.7 times as fast.
  second: { name: 'that, in per cent of the same in sequence', most: 59 },
  without: ['dockerd', 'podman'],
  prepare: (peer, images) =>
    makeContext(peer, 'stages', (folder) => write(join(folder, 'Dockerfile'), stagesDockerfile(images.busybox))),
  async measure(peer) {
    const folder = contextOf(peer, 'stages');
    const timeRound = (...options: readonly string[]): Promise<number> =>
      timeBuild(peer, 'gantry build', folder, `--build-arg=ROUND=${randomUUID()}`, ...options);
    const sequence = await timeRound('--jobs=1');
    const parallel = await timeRound();
    return [parallel, (100 * parallel) / sequence];
  },
  finish,
};

const largeContext: Case = {
  name: 'gantry build of a context of 1 GiB',
  second: { name: "the engine's peak memory for it, MiB", most: 238 },
  without: ['podman'],
  prepare: (peer) =>
    makeContext(peer, 'large', async (folder) => {
      await write(join(folder, 'Dockerfile'), 'FROM scratch\nCOPY . /\n');
      await makeLargeFile(join(folder, 'large'));
    }),
  async measure(peer) {
    await forgetBuilds(peer);
    await settle();
    await forgetPeak(peer);
    const took = await timeBuild(peer, 'gantry build', contextOf(peer, 'large'));
    return [took, await peakSize(peer)];
  },
  finish,
};

/** Builds; docker sends them by buildx, and where Gantry's own command line does it dockerd's figure is buildx's still. */
export const buildCases: readonly Case[] = [
  ...nodeApp('buildx', { cold: 0.6, cached: 0.8, changed: 0.5 }, []),
  ...nodeApp('gantry build', { cold: 0.5, cached: 0.5, changed: 0.35 }, ['podman']),
  unchanged,
  stages,
  largeContext,
];
