import { invalid } from '../base/errors.ts';
import { Runtimes, type RuntimeSetting } from '../runtime/launcher/runtimes.ts';
import { run } from '../sys/process/run.ts';
import type { EngineConfig } from './config.ts';
import type { LiveConfig } from './live.ts';

/** An OCI runtime as `GET /info` shows it. */
export interface RuntimeView {
  path: string;
  runtimeArgs?: string[];
  /** What it says of its own features, as JSON, by the name of the document. */
  status?: Record<string, string>;
}

/** The document that `RUNTIME features` prints (OCI runtime-spec, features.md). */
const featuresName = 'org.opencontainers.runtime-spec.features';

/** What runc says of the sources that it was built from, out of what `described` gives; empty where it says nothing. */
export function runcCommit(runtimes: Readonly<Record<string, RuntimeView>>): string {
  const text = runtimes['runc']?.status?.[featuresName];
  if (text === undefined) return '';
  const { annotations } = JSON.parse(text) as { annotations?: Record<string, unknown> | null };
  const commit = annotations?.['org.opencontainers.runc.commit'];
  return typeof commit === 'string' ? commit : '';
}

/** The runtimes that containers may choose: the host's own and the operator's, as the configuration is now. */
export class RuntimeChoice {
  /** The operator's, by name; changes with the configuration. */
  readonly settings: ReadonlyMap<string, RuntimeSetting>;
  /** All names; changes with the configuration. */
  readonly names: ReadonlySet<string>;
  readonly #live: LiveConfig;
  readonly #hosts: ReadonlyMap<string, string>;
  readonly #best: string;
  readonly #features = new Map<string, Promise<string | undefined>>();

  private constructor(live: LiveConfig, hosts: ReadonlyMap<string, string>, best: string) {
    const settings = new Map<string, RuntimeSetting>();
    const names = new Set<string>();
    this.#live = live;
    this.#hosts = hosts;
    this.#best = best;
    this.settings = settings;
    this.names = names;
    const take = ({ runtimes }: EngineConfig): void => {
      settings.clear();
      names.clear();
      for (const name of hosts.keys()) names.add(name);
      for (const [name, { path, runtimeArgs }] of runtimes) {
        names.add(name);
        settings.set(name, { path, args: runtimeArgs });
      }
    };
    take(live.current);
    live.onChange(take);
  }

  /** Looks for the host's runtimes. @throws unavailable when there is none, invalid for an unknown default */
  static async open(live: LiveConfig): Promise<RuntimeChoice> {
    const finder = new Runtimes(new Map());
    const hosts = new Map<string, string>();
    for (const name of ['crun', 'runc']) {
      const found = await finder.find(name).catch(() => undefined);
      if (found !== undefined) hosts.set(name, found.path);
      // Docker's other name for it: that of containerd's shim.
      if (found !== undefined && name === 'runc') hosts.set('io.containerd.runc.v2', found.path);
    }
    const { defaultRuntime, runtimes } = live.current;
    const own = defaultRuntime === undefined ? undefined : runtimes.get(defaultRuntime);
    const best = own === undefined ? await finder.find(defaultRuntime ?? '') : undefined;
    if (best !== undefined) hosts.set(best.name, best.path);
    return new RuntimeChoice(live, hosts, best?.name ?? [...hosts.keys()][0] ?? '');
  }

  get defaultName(): string {
    const { defaultRuntime } = this.#live.current;
    return defaultRuntime !== undefined && this.names.has(defaultRuntime) ? defaultRuntime : this.#best;
  }

  get views(): Record<string, RuntimeView> {
    const views: Record<string, RuntimeView> = {};
    for (const [name, path] of this.#hosts) views[name] = { path };
    for (const [name, { path, args = [] }] of this.settings) {
      views[name] = { path, ...(args.length > 0 ? { runtimeArgs: [...args] } : {}) };
    }
    return views;
  }

  /** The runtimes with what they say of their features; each program is asked once. */
  async described(): Promise<Record<string, RuntimeView>> {
    const { views } = this;
    await Promise.all(
      Object.values(views).map(async (view) => {
        let features = this.#features.get(view.path);
        if (features === undefined) this.#features.set(view.path, (features = featuresOf(view.path)));
        const text = await features;
        if (text !== undefined) view.status = { [featuresName]: text };
      }),
    );
    return views;
  }

  /** @throws invalid when the default runtime of `next` is neither the host's nor one of its own */
  check({ defaultRuntime, runtimes }: EngineConfig): void {
    if (defaultRuntime === undefined || this.#hosts.has(defaultRuntime) || runtimes.has(defaultRuntime)) return;
    throw invalid(`specified default runtime '${defaultRuntime}' does not exist`);
  }
}

/** Undefined for runtimes that are too old to tell. */
async function featuresOf(path: string): Promise<string | undefined> {
  const request = { path, argv: [path, 'features'], env: [], timeoutMs: 5000, outputLimit: 256 * 1024 };
  try {
    const { code, stdout } = await run(request);
    return code === 0 ? JSON.stringify(JSON.parse(stdout.toString())) : undefined;
  } catch {
    return undefined;
  }
}
