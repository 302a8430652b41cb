import { spawn } from 'node:child_process';
import { appendFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { dockerClient, repository } from '../support/docker-client.ts';
import { uniqueName } from '../support/engine.ts';
import { ended, must } from '../support/run.ts';
import type { Peer } from './engines.ts';

/** One thing that is measured on every engine in turn. */
export interface Case {
  readonly name: string;
  /** The ratio to dockerd that must be reached. */
  readonly goal?: number;
  /** The largest value that is good, where it is not a ratio to dockerd that counts. */
  readonly most?: number;
  /** Engines that take no part: podman where it refuses the docker client. */
  readonly without?: readonly string[];
  /** Done once per engine before the first round, not measured. */
  prepare?(peer: Peer, images: BenchImages): Promise<void>;
  /** What the same work measures besides: the second number of `measure`. */
  readonly second?: {
    readonly name: string;
    readonly goal?: number;
    readonly most?: number;
  };
  /** One measurement in milliseconds; may do unmeasured work before and after. */
  measure(peer: Peer, images: BenchImages): Promise<number | readonly [number, number]>;
  /** Done once per engine after the last round. */
  finish?(peer: Peer): Promise<void>;
}

export interface BenchImages {
  /** Name of a small image that is loaded everywhere. */
  readonly busybox: string;
  /** File for `docker load`, and the name of the image inside. */
  readonly manyFiles: { readonly archive: string; readonly name: string };
}

const attempts = { timeout: 300_000 };

/** Runs docker against the engine and fails when docker does. */
export const docker = (peer: Peer, ...args: readonly string[]): Promise<string> =>
  must(dockerClient(), args, { ...attempts, env: clientEnv(peer) });

export const clientEnv = (peer: Peer): Record<string, string> => ({
  DOCKER_HOST: `unix://${peer.socket}`,
  DOCKER_CONFIG: join(peer.folder, 'client'),
});

/** Milliseconds from the start of the docker client to its end. */
export async function timeDocker(peer: Peer, ...args: readonly string[]): Promise<number> {
  const started = performance.now();
  const child = spawn(dockerClient(), args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...clientEnv(peer) },
  });
  let complaint = '';
  child.stderr.on('data', (chunk: Buffer) => (complaint += chunk.toString()));
  const timer = setTimeout(() => child.kill('SIGKILL'), attempts.timeout);
  const { code } = await ended(child);
  clearTimeout(timer);
  const took = performance.now() - started;
  if (code !== 0) throw new Error(`${peer.name}: docker ${args.join(' ')}: ${code} ${complaint}`);
  return took;
}

/** Milliseconds that a program runs; for programs that say little. */
export async function timeProgram(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<number> {
  const started = performance.now();
  await must(program, args, { ...attempts, env });
  return performance.now() - started;
}

/** Loads an image under its own name: podman puts `localhost/` before what names no host. */
export async function loadImage(peer: Peer, image: { readonly name: string; readonly archive: string }): Promise<void> {
  await docker(peer, 'load', '-q', '-i', image.archive);
  if (peer.name === 'podman') await docker(peer, 'tag', `localhost/${image.name}`, image.name);
}

const runAttached = (network: string, goal: number): Case => ({
  name: `run --rm --network ${network} true`,
  goal,
  without: ['podman'],
  measure: (peer, images) => timeDocker(peer, 'run', '--rm', '--network', network, images.busybox, 'true'),
});

const standing = 'bench-standing';
const logged = 'bench-logged';

/** A million lines of 100 bytes, in a file of the host that a container copies to its stdout. */
async function millionLines(peer: Peer): Promise<string> {
  const path = join(peer.folder, 'lines');
  const line = `${'0123456789'.repeat(9)}12345678\n`;
  await writeFile(path, line.repeat(10_000));
  for (let at = 1; at < 100; at++) await appendFile(path, line.repeat(10_000));
  return path;
}

/** Writes the million lines without anybody attached, to the end of the container. */
async function writeLines(peer: Peer, images: BenchImages): Promise<number> {
  const mount = `type=bind,source=${join(peer.folder, 'lines')},target=/lines,readonly`;
  const rest = ['--network=none', '--log-driver=json-file', '--mount', mount, images.busybox, 'cat', '/lines'];
  const started = performance.now();
  await docker(peer, 'run', '-d', '--name', logged, ...rest);
  await docker(peer, 'wait', logged);
  return performance.now() - started;
}

const manyNames = Array.from({ length: 300 }, (_, at) => `bench-many-${at}`);

/** Eight workers take the items in turn. */
async function eightAtOnce<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  const left = [...items];
  const worker = async (): Promise<void> => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: 8 }, worker));
}

export const cases: readonly Case[] = [
  runAttached('bridge', 0.35),
  runAttached('none', 0.45),
  {
    name: 'exec true',
    goal: 0.7,
    without: ['podman'],
    prepare: async (peer, images) =>
      void (await docker(peer, 'run', '-d', '--name', standing, images.busybox, 'sleep', '100000')),
    measure: (peer) => timeDocker(peer, 'exec', standing, 'true'),
    finish: async (peer) => void (await docker(peer, 'rm', '-f', standing)),
  },
  {
    name: 'network create, connect, disconnect, rm',
    goal: 0.3,
    without: ['podman'],
    prepare: async (peer, images) =>
      void (await docker(peer, 'run', '-d', '--name', standing, images.busybox, 'sleep', '100000')),
    async measure(peer) {
      const name = uniqueName('bench');
      let took = await timeDocker(peer, 'network', 'create', name);
      took += await timeDocker(peer, 'network', 'connect', name, standing);
      took += await timeDocker(peer, 'network', 'disconnect', name, standing);
      return took + (await timeDocker(peer, 'network', 'rm', name));
    },
    finish: async (peer) => void (await docker(peer, 'rm', '-f', standing)),
  },
  {
    name: 'create',
    goal: 1,
    async measure(peer, images) {
      const name = uniqueName('bench');
      const took = await timeDocker(peer, 'create', '--name', name, images.busybox, 'true');
      await docker(peer, 'rm', name);
      return took;
    },
  },
  {
    name: 'ps, 10 containers',
    prepare: async (peer, images) => {
      for (let at = 0; at < 10; at++) await docker(peer, 'create', '--name', `bench-ps-${at}`, images.busybox, 'true');
    },
    measure: (peer) => timeDocker(peer, 'ps', '-a'),
    finish: async (peer) => void (await docker(peer, 'rm', ...Array.from({ length: 10 }, (_, at) => `bench-ps-${at}`))),
  },
  {
    name: '20 x run -d',
    goal: 0.4,
    async measure(peer, images) {
      const names = Array.from({ length: 20 }, () => uniqueName('bench'));
      let took = 0;
      for (const name of names) {
        took += await timeDocker(peer, 'run', '-d', '--name', name, images.busybox, 'sleep', '100000');
      }
      await docker(peer, 'rm', '-f', ...names);
      return took;
    },
  },
  {
    name: 'a container writes 1,000,000 log lines',
    goal: 0.4,
    second: { name: 'logs, 1,000,000 lines', goal: 0.4 },
    // Its API lacks what the docker client asks for.
    without: ['podman'],
    prepare: async (peer) => void (await millionLines(peer)),
    async measure(peer, images) {
      const written = await writeLines(peer, images);
      const read = await timeDocker(peer, 'logs', logged);
      await docker(peer, 'rm', logged);
      return [written, read];
    },
  },
  {
    name: '50 x run -d, 8 at once',
    goal: 0.4,
    second: { name: 'rm -f of 50', goal: 0.3 },
    async measure(peer, images) {
      const names = Array.from({ length: 50 }, () => uniqueName('bench'));
      const started = performance.now();
      await eightAtOnce(names, (name) =>
        timeDocker(peer, 'run', '-d', '--name', name, images.busybox, 'sleep', '100000'),
      );
      const took = performance.now() - started;
      return [took, await timeDocker(peer, 'rm', '-f', ...names)];
    },
  },
  {
    name: 'ps, 300 containers',
    goal: 0.7,
    async prepare(peer, images) {
      await eightAtOnce(manyNames, (name) => docker(peer, 'create', '--name', name, images.busybox, 'true'));
    },
    measure: (peer) => timeDocker(peer, 'ps', '-a'),
    finish: async (peer) => void (await docker(peer, 'rm', ...manyNames)),
  },
  {
    name: 'load, 30,000 files, 171 MB gzip',
    goal: 0.4,
    second: { name: 'rmi, 30,000 files', goal: 0.2 },
    without: ['podman'],
    async measure(peer, images) {
      await must('sync', []);
      const load = await timeDocker(peer, 'load', '-q', '-i', images.manyFiles.archive);
      await must('sync', []);
      return [load, await timeDocker(peer, 'rmi', images.manyFiles.name)];
    },
  },
];

/** The two command lines that are compared on Gantry's own engine, and what they do. */
export const clientCases: readonly { readonly name: string; readonly args: (image: string) => readonly string[] }[] = [
  { name: 'ps', args: () => ['ps'] },
  { name: 'run --rm true', args: (image) => ['run', '--rm', image, 'true'] },
];

export const clients = { gantry: join(repository, 'build/bin/gantry'), docker: dockerClient() } as const;

/** Runs a client `times` times in a row; wall and processor time of one run in milliseconds. */
export async function timeClient(
  peer: Peer,
  program: string,
  args: readonly string[],
  times: number,
): Promise<{ wall: number; cpu: number }> {
  const script = `TIMEFORMAT='%3R %3U %3S'; time for ((i = 0; i < ${times}; i++)); do "$@" >/dev/null || exit 1; done`;
  const env = clientEnv(peer);
  const child = spawn('bash', ['-c', script, 'bash', program, ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...env, LC_ALL: 'C' },
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const { code } = await ended(child);
  if (code !== 0) throw new Error(`${program} ${args.join(' ')}: ${said}`);
  const [wall = 0, user = 0, system = 0] = (said.trim().split('\n').at(-1) ?? '').split(' ').map(Number);
  return { wall: (wall * 1000) / times, cpu: ((user + system) * 1000) / times };
}
