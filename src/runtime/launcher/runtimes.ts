import { accessSync, constants, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { EngineError, invalid } from '../../base/errors.ts';
import { sealedFile } from '../../sys/file/sealed.ts';
import { run } from '../../sys/process/run.ts';

const searched = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];
/** In this order when nobody chose: crun starts a container in half of runc's time. */
const preferred = ['crun', 'runc'];
/** Names under which Docker knows runc. */
const aliases: ReadonlyMap<string, string> = new Map([['io.containerd.runc.v2', 'runc']]);

/**
 * Versions whose private parts were tried: what `start` and `delete` do is then done here, without a process. Any other
 * version is asked to do it itself.
 */
const triedVersions: ReadonlyMap<string, 'crun' | 'runc'> = new Map([
  ['crun version 1.8.1', 'crun'],
  ['runc version 1.1.5+ds1', 'runc'],
]);

/** An OCI runtime as it is installed. */
export interface Runtime {
  readonly name: string;
  /** Absolute path. */
  readonly path: string;
  /** What to run: the path, or a sealed copy of the file, valid as long as this engine lives. */
  readonly program: string;
  readonly args: readonly string[];
  /** The family whose private parts it has exactly; undefined for any other. */
  readonly exact: 'crun' | 'runc' | undefined;
  /** The first line of `--version`. */
  readonly version: string;
}

/** A runtime of the operator's choice (daemon.json, `runtimes`). */
export interface RuntimeSetting {
  readonly path: string;
  readonly args?: readonly string[];
}

/**
 * Finds runtimes by name and remembers what they are, until their file changes. Programs lie on local disks and are
 * looked at before each start: synchronously, which takes 2 us a look and no trip to a thread.
 */
export class Runtimes {
  readonly #settings: ReadonlyMap<string, RuntimeSetting>;
  readonly #known = new Map<string, { readonly stamp: string; readonly runtime: Runtime }>();
  readonly #sealed: boolean;

  /** `sealed`: programs are run from sealed copies, for those who start containers. */
  constructor(settings: ReadonlyMap<string, RuntimeSetting>, { sealed = false }: { readonly sealed?: boolean } = {}) {
    this.#settings = settings;
    this.#sealed = sealed;
  }

  /** `name`: one of the settings, `crun`, `runc`, an absolute path, or empty for the best that is there. @throws invalid. */
  async find(name: string): Promise<Runtime> {
    if (name === '') {
      for (const candidate of preferred) {
        const path = this.#pathOf(candidate);
        if (path !== undefined) return this.#describe(candidate, path, []);
      }
      throw new EngineError('unavailable', 'no OCI runtime is installed: crun or runc is needed');
    }
    const setting = this.#settings.get(name);
    const plain = aliases.get(name) ?? name;
    const path = this.#pathOf(setting?.path ?? plain);
    if (path === undefined) throw invalid(`unknown or invalid runtime name: ${name.slice(0, 200)}`);
    return this.#describe(plain, path, setting?.args ?? []);
  }

  #pathOf(name: string): string | undefined {
    if (name.startsWith('/')) return isExecutable(name) ? name : undefined;
    if (name.includes('/')) return undefined;
    return searched.map((directory) => `${directory}/${name}`).find(isExecutable);
  }

  async #describe(name: string, path: string, args: readonly string[]): Promise<Runtime> {
    const { mtimeMs, size, ino } = statSync(path);
    const stamp = `${mtimeMs} ${size} ${ino} ${args.join(' ')}`;
    const key = `${name} ${path}`;
    const known = this.#known.get(key);
    if (known?.stamp === stamp) return known.runtime;
    const request = { path, argv: [name, '--version'], env: [], timeoutMs: 10_000, outputLimit: 4096 };
    const { stdout } = await run(request);
    const version = stdout.toString().split('\n')[0] ?? '';
    const exact = triedVersions.get(version);
    const program = this.#sealed && exact !== undefined ? await sealedProgram(path) : path;
    const runtime: Runtime = { name, path, program, args, version, exact };
    this.#known.set(key, { stamp, runtime });
    return runtime;
  }
}

/**
 * A container that runs `/proc/self/exe` must not reach the host's program, so crun and runc start by running a copy of
 * themselves that nobody can change: a sealed file in memory, or a read-only mount. One that is run from such a file does
 * not do it again, which spares crun 1.6 ms of 3.4, and runc its copy of 10 MiB, each time. An upgrade of the program
 * makes another copy; the old one stays for who is about to run it.
 */
async function sealedProgram(path: string): Promise<string> {
  const bytes = await readFile(path);
  try {
    return `/proc/${process.pid}/fd/${sealedFile(bytes, { name: 'runtime', executable: true })}`;
  } catch {
    // A host that forbids programs in memory (vm.memfd_noexec).
    return path;
  }
}

function isExecutable(path: string): boolean {
  if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true) return false;
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
