import type { ImageConfig, ImageHistoryEntry, ImageRunConfig, Platform } from '../../spec/oci/image.ts';
import type { Range } from '../dockerfile/source.ts';
import type { Budget } from '../expand/budget.ts';

/** The configuration of an image while instructions change it, but for what is a list of its own in the state. */
export type RunConfig = {
  -readonly [Key in keyof Omit<ImageRunConfig, 'Env' | 'Labels' | 'ExposedPorts' | 'Volumes'>]: ImageRunConfig[Key];
};

/** What is known after each instruction of a stage. A stage that stands on another one begins with a copy of its end. */
export interface StageState {
  /** The operation whose result is the file system. */
  root: number;
  /** ENV of the image and the stage, and ARG: what variables mean, and the environment of RUN. */
  readonly variables: Map<string, string>;
  /** What of it is the image's. */
  readonly env: Map<string, string>;
  readonly labels: Map<string, string>;
  readonly ports: Set<string>;
  readonly volumes: Set<string>;
  readonly config: RunConfig;
  author: string | undefined;
  readonly history: ImageHistoryEntry[];
  /** The operations whose results are layers, in the order of their entries in the history. */
  readonly layers: number[];
  /** All ARG so far with their values: RUN shows them in the history. */
  readonly args: Map<string, string | undefined>;
  platform: Platform;
  /** What the programs in its base are for: a processor that runs several kinds may be given another one. */
  programs: Platform;
  /** The image that all this stands on; undefined for scratch, and for one that was not looked up. */
  base: ImageConfig | undefined;
  /** The base was not looked up: the image may have variables that are not known here. */
  isBaseUnknown: boolean;
  hasWorkdir: boolean;
}

/** The PATH of images that have none. */
const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The beginning of a stage on an image; on none at all for scratch. */
export function freshState(root: number, platform: Platform, base: ImageConfig | undefined): StageState {
  const { Env = [], Labels = {}, ExposedPorts = {}, Volumes = {}, OnBuild: _fired, ...config } = base?.config ?? {};
  const env = new Map(Env.map(splitEntry));
  if (!env.has('PATH')) env.set('PATH', defaultPath);
  return {
    root,
    variables: new Map(env),
    env,
    labels: new Map(Object.entries(Labels)),
    ports: new Set(Object.keys(ExposedPorts)),
    volumes: new Set(Object.keys(Volumes)),
    config: base === undefined ? { WorkingDir: '/' } : config,
    author: base?.author,
    history: [...(base?.history ?? [])],
    layers: [],
    args: new Map(),
    platform,
    programs: platform,
    base,
    isBaseUnknown: false,
    hasWorkdir: false,
  };
}

/** Triggers of a stage fire in the one that stands on it, and are over then. */
export function copyState(state: StageState, budget: Budget): StageState {
  const { variables, env, labels, ports, volumes, history, layers, args } = state;
  const size = [variables, env, labels, ports, volumes, args].reduce((sum, one) => sum + one.size, history.length);
  budget.spend(4 * size);
  const { OnBuild: _fired, ...config } = state.config;
  return {
    ...state,
    variables: new Map(variables),
    env: new Map(env),
    labels: new Map(labels),
    ports: new Set(ports),
    volumes: new Set(volumes),
    config,
    history: [...history],
    layers: [...layers],
    args: new Map(args),
  };
}

/** The configuration as an image has it; `labels` count over its own. */
export function configOf(state: StageState, labels: ReadonlyMap<string, string>): ImageRunConfig {
  const { env, ports, volumes, config } = state;
  const all = new Map([...state.labels, ...labels]);
  const names = (set: ReadonlySet<string>) => Object.fromEntries([...set].map((name) => [name, {}]));
  return {
    Env: listed(env),
    ...config,
    ...(ports.size === 0 ? {} : { ExposedPorts: names(ports) }),
    ...(volumes.size === 0 ? {} : { Volumes: names(volumes) }),
    ...(all.size === 0 ? {} : { Labels: Object.fromEntries(all) }),
  };
}

/** `NAME=value`, in their order. */
export const listed = (variables: ReadonlyMap<string, string>): string[] =>
  [...variables].map(([name, value]) => `${name}=${value}`);

function splitEntry(entry: string): [name: string, value: string] {
  const equals = entry.indexOf('=');
  return equals < 0 ? [entry, ''] : [entry.slice(0, equals), entry.slice(equals + 1)];
}

const comment = 'buildkit.dockerfile.v0';

interface Noting {
  readonly state: StageState;
  readonly budget: Budget;
}

/** Notes an instruction in the history; one that changes files has a layer, the difference that its operation made. */
export function note({ state, budget }: Noting, createdBy: string, hasLayer = false): void {
  budget.spend(createdBy.length);
  state.history.push({ created_by: createdBy, comment, ...(hasLayer ? {} : { empty_layer: true }) });
  if (hasLayer) state.layers.push(state.root);
}

/** Where instructions of which only the last one counts were seen in a stage. */
export interface OnceSeen {
  cmd?: Range;
  entrypoint?: Range;
  healthcheck?: Range;
}
