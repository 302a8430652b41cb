import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, open, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dockerClient, repository, unpackPackages } from './docker-client.ts';
import { type ImageName, testImage } from './images.ts';
import type { LeakScope } from './leaks.ts';
import { makeNamespaces, type Namespaces } from './namespaces.ts';
import { ended, must, run, type RunOptions, type RunResult } from './run.ts';
import { eventually } from './wait.ts';

export interface EngineOptions {
  /** More flags for `gantry daemon`. */
  readonly flags?: readonly string[];
  /** Program that runs instead of the built engine, with the same flags: tests of the fixture itself. */
  readonly program?: readonly string[];
  /** `program` is another engine: it does not get what the whole suite is run with (`GANTRY_TEST_STORAGE` and so on). */
  readonly isOther?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  /** Makes the data root a file system of its own, of so many MiB: ext4 on a loop device, seen by the engine only. */
  readonly dataRootMiB?: number;
  /** Which one that is; ext4 by default. */
  readonly dataRootType?: keyof typeof diskMakers;
  /** Done before the first start, when folders and namespaces are there. */
  readonly prepare?: (engine: TestEngine) => Promise<void>;
}

/**
 * One engine of its own, in a network and a mount namespace of its own, with its own folders, socket, bridge, firewall
 * table and cgroup. Disposing of it kills everything that it started and removes its folders.
 */
export class TestEngine implements AsyncDisposable {
  readonly folder: string;
  readonly namespaces: Namespaces;
  readonly #options: EngineOptions;
  #process: { child: ChildProcess; end: Promise<unknown> } | undefined;

  /** Use `startEngine`. */
  constructor(folder: string, namespaces: Namespaces, options: EngineOptions) {
    this.folder = folder;
    this.namespaces = namespaces;
    this.#options = options;
  }

  get paths(): EnginePaths {
    return enginePaths(this.folder);
  }

  /** Process id of the running engine. */
  get pid(): number {
    const pid = this.#process?.child.pid;
    if (pid === undefined) throw new Error('the engine does not run');
    return pid;
  }

  /** Starts the engine, with other flags than before if given; resolves when it answers `/_ping`. */
  async start(more: readonly string[] = this.#options.flags ?? []): Promise<void> {
    const { paths } = this;
    const program = this.#options.program ?? testedEngine();
    const flags = [...engineFlags(paths), ...(this.#options.isOther === true ? [] : variantFlags()), ...more];
    const [command, ...args] = this.namespaces.enter([...program, ...flags]);
    const log = await open(paths.log, 'a');
    const child = spawn(command, args, {
      stdio: ['ignore', log.fd, log.fd],
      env: { ...process.env, ...this.#options.env },
    });
    const end = ended(child);
    await log.close();
    this.#process = { child, end };
    let isOver = false;
    end.then(
      () => (isOver = true),
      () => (isOver = true),
    );
    await eventually(
      'the engine answers /_ping',
      () => isOver || this.api('GET', '/_ping').then(({ status }) => status === 200),
      { timeout: 30_000, every: 3 },
    ).catch(async (error: unknown) => {
      throw new Error(`the engine did not start:\n${await this.logText()}`, { cause: error });
    });
    if (isOver) throw new Error(`the engine ended at its start:\n${await this.logText()}`);
  }

  /** Sends `signal` and waits until the engine is gone; containers live on. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const running = this.#process;
    if (running === undefined) return;
    running.child.kill(signal);
    await running.end;
    this.#process = undefined;
  }

  /** Runs the stock docker client against this engine; resolves whatever its exit code is. */
  docker(args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    return run(dockerClient(), args, { ...options, env: { ...this.clientEnv(), ...options.env } });
  }

  /** Like `docker`, but fails unless the exit code is 0; resolves with stdout. */
  dockerOk(args: readonly string[], options: RunOptions = {}): Promise<string> {
    return must(dockerClient(), args, { ...options, env: { ...this.clientEnv(), ...options.env } });
  }

  /** The environment in which docker, gantry and SDKs talk to this engine. */
  clientEnv(): Readonly<Record<string, string>> {
    return { DOCKER_HOST: `unix://${this.paths.socket}`, DOCKER_CONFIG: this.paths.clientConfig, DOCKER_CONTEXT: '' };
  }

  /** Runs a command in the engine's network and mount namespaces. */
  inside(command: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    const [program, ...args] = this.namespaces.enter(command);
    return run(program, args, options);
  }

  /** Fetches a page from inside the engine's network namespace: where published ports are. */
  fetch(url: string): Promise<string> {
    const script = `fetch(${JSON.stringify(url)}).then(async (a) => process.stdout.write(await a.text()))`;
    const [program, ...args] = this.namespaces.enter([process.execPath, '-e', script]);
    return must(program, args, { timeout: 10_000 });
  }

  /** One request to the engine's API, answered whole. */
  api(method: string, path: string, body?: unknown): Promise<ApiAnswer> {
    return askApi(this.paths.socket, method, path, body);
  }

  /** Loads test images and resolves with the name of the first. */
  async load(...names: [ImageName, ...ImageName[]]): Promise<string> {
    for (const name of names) await this.dockerOk(['load', '-i', (await testImage(name)).archive]);
    return (await testImage(names[0])).name;
  }

  /** Where to look for what this engine leaves behind. */
  leakScope(): LeakScope {
    return {
      holder: this.namespaces.pid,
      engine: this.#process?.child.pid,
      folders: [this.paths.dataRoot, this.paths.execRoot],
      cgroupParent: this.paths.cgroupParent,
      ignoredFiles: isRecord,
    };
  }

  /** Everything that the engine has logged since it was first started. */
  logText(): Promise<string> {
    return readFile(this.paths.log, 'utf8').catch(() => '');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.stop('SIGKILL');
      await endInstance(this.paths);
    } finally {
      await this.namespaces[Symbol.asyncDispose]();
      await rm(this.folder, { recursive: true, force: true });
    }
  }
}

/** The path by which this process reaches what the engine has at `path`, in the engine's own mounts. */
export const seenBy = (engine: TestEngine, path: string): string => `/proc/${engine.namespaces.pid}/root${path}`;

/** Makes folders and namespaces and starts an engine in them. */
export async function startEngine(options: EngineOptions = {}): Promise<TestEngine> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'gt-')));
  const namespaces = await makeNamespaces();
  const engine = new TestEngine(folder, namespaces, options);
  try {
    for (const path of [engine.paths.dataRoot, engine.paths.execRoot, engine.paths.clientConfig]) await mkdir(path);
    await writeFile(join(engine.paths.clientConfig, 'config.json'), '{}');
    if (options.dataRootMiB !== undefined) await mountDisk(engine, options.dataRootMiB, options.dataRootType);
    await options.prepare?.(engine);
    await engine.start();
    return engine;
  } catch (error) {
    await engine[Symbol.asyncDispose]();
    throw error;
  }
}

/** Programs that make file systems; those of btrfs and XFS are in packages of their own. */
const diskMakers = {
  ext4: ['mkfs.ext4', '-q', '-m', '0'],
  btrfs: ['mkfs.btrfs', '-q'],
  xfs: ['mkfs.xfs', '-q'],
} as const;

async function mountDisk(engine: TestEngine, size: number, type: keyof typeof diskMakers = 'ext4'): Promise<void> {
  const disk = join(engine.folder, 'disk');
  await must('truncate', ['-s', `${size}M`, disk]);
  const [maker, ...options] = diskMakers[type];
  await must(maker, [...options, disk]);
  // The device goes with the mount, and that with the namespace.
  const { code, stderr } = await engine.inside(['mount', '-o', 'loop', disk, engine.paths.dataRoot]);
  if (code !== 0) throw new Error(`mount of ${disk}: ${stderr}`);
}

/**
 * The engine under test: the built one, or with GANTRY_TEST_ORACLE (`dockerd`, `dockerd-containerd`) Debian's dockerd, which
 * takes the same flags. What a test expects of Gantry, Docker must do too.
 */
function testedEngine(): readonly string[] {
  return isOracle() ? dockerdProgram() : [join(repository, 'build/bin/gantryd')];
}

/** Debian's dockerd, for `EngineOptions.program`: tests exchange images with it. */
export function dockerdProgram(): readonly string[] {
  const programs = unpackPackages('sid', 'dockerd', ['docker.io', 'containerd']);
  const path = `PATH=${programs}/usr/bin:${programs}/usr/sbin:$PATH`;
  const store = hasContainerdStore() ? '--feature=containerd-snapshotter=true ' : '';
  const flags = `${store}--userland-proxy-path=${programs}/usr/sbin/docker-proxy --init-path=/usr/bin/tini-static`;
  return ['sh', '-c', `mount -t tmpfs none /run && ${path} exec dockerd ${flags} "$@"`, 'sh'];
}

/** The oracle keeps images in containerd's store, which knows lists of platforms (`GANTRY_TEST_ORACLE=dockerd-containerd`). */
export const hasContainerdStore = (): boolean => process.env['GANTRY_TEST_ORACLE'] === 'dockerd-containerd';

export const isOracle = (): boolean => process.env['GANTRY_TEST_ORACLE'] !== undefined;

export interface EnginePaths {
  readonly dataRoot: string;
  readonly execRoot: string;
  readonly socket: string;
  readonly pidFile: string;
  readonly log: string;
  readonly clientConfig: string;
  /** Absolute, as the engine wants it. */
  readonly cgroupParent: string;
}

function enginePaths(folder: string): EnginePaths {
  const dataRoot = join(folder, 'data');
  // The engine names what it makes after the same eight digits.
  const instance = createHash('sha256').update(dataRoot).digest('hex').slice(0, 8);
  return {
    dataRoot,
    execRoot: join(folder, 'run'),
    socket: join(folder, 'gantry.sock'),
    pidFile: join(folder, 'gantry.pid'),
    log: join(folder, 'engine.log'),
    clientConfig: join(folder, 'client'),
    cgroupParent: `/gantry-test-${instance}`,
  };
}

/** How layers are kept, by the word in GANTRY_TEST_STORAGE; without it the engine chooses. */
const storageFlags: Readonly<Record<string, readonly string[]>> = {
  dir: ['--storage-driver=dir'],
  loop: ['--storage-driver=erofs', '--storage-opt=erofs.mount=loop', '--storage-opt=overlay.mount=links'],
};

/** What the whole suite can be run with besides the engine's own choice: `GANTRY_TEST_STORAGE`, `GANTRY_TEST_RUNTIME`. */
function variantFlags(): readonly string[] {
  const { GANTRY_TEST_STORAGE: storage, GANTRY_TEST_RUNTIME: runtime } = process.env;
  if (isOracle()) return [];
  const flags = storage === undefined ? [] : storageFlags[storage];
  if (flags === undefined)
    throw new Error(`GANTRY_TEST_STORAGE=${storage}: expected ${Object.keys(storageFlags).join(', ')}`);
  return runtime === undefined ? flags : [...flags, `--default-runtime=${runtime}`];
}

const engineFlags = (paths: EnginePaths): readonly string[] => [
  `--data-root=${paths.dataRoot}`,
  `--exec-root=${paths.execRoot}`,
  `--host=unix://${paths.socket}`,
  `--pidfile=${paths.pidFile}`,
  `--cgroup-parent=${paths.cgroupParent}`,
  '--insecure-registry=127.0.0.0/8',
  '--debug',
];

/** SQLite's own side files come and go with its connections. */
/** Databases, and the history of builds, which is kept when all that they made is gone. */
const isRecord = (path: string): boolean =>
  /\.(db|sqlite)(-wal|-shm|-journal)?$/.test(path) || /^build\/history(\/|$)/.test(path);

export interface ApiAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  /** The body as JSON; throws when it is none. */
  json<T>(): T;
}

function askApi(socketPath: string, method: string, path: string, body: unknown): Promise<ApiAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<ApiAnswer>();
  const payload = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body);
  const headers = payload === undefined ? {} : { 'content-type': 'application/json' };
  const call = request({ socketPath, method, path, headers, agent: false }, (response) => {
    const chunks: Buffer[] = [];
    response.on('data', (chunk: Buffer) => chunks.push(chunk));
    response.on('error', reject);
    response.on('end', () => {
      const text = Buffer.concat(chunks).toString();
      const status = response.statusCode ?? 0;
      resolve({ status, headers: response.headers, text, json: <T>() => JSON.parse(text) as T });
    });
  });
  call.on('error', reject);
  call.end(payload);
  return promise;
}

/** Kills every process in the instance's cgroups and those that were started with its folders, then removes the cgroups. */
async function endInstance(paths: EnginePaths): Promise<void> {
  const { endProcesses, removeCgroups } = await import('./cleanup.ts');
  await endProcesses(paths);
  await removeCgroups(paths.cgroupParent);
}

/** A name that no other test uses. */
export const uniqueName = (prefix: string): string => `${prefix}-${randomBytes(4).toString('hex')}`;
