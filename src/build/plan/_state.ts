import type { ImageConfig, ImageHistoryEntry, ImageRunConfig, Platform } from '../../spec/oci/image.ts';
import type { Range } from '../dockerfile/source.ts';

/** The configuration of an image while instructions change it. */
export type RunConfig = { -readonly [Key in keyof ImageRunConfig]: ImageRunConfig[Key] };

/** What is known after each instruction of a stage. A stage that stands on another one begins with a copy of its end. */
export interface StageState {
  /** The operation whose result is the file system. */
  root: number;
  /** ENV of the image and the stage, and ARG: what variables mean, and the environment of RUN. */
  readonly variables: Map<string, string>;
  readonly config: RunConfig;
  author: string | undefined;
  readonly history: ImageHistoryEntry[];
  /** The operations whose results are layers, in the order of their entries in the history. */
  readonly layers: number[];
  /** All ARG so far with their values: RUN shows them in the history. */
  readonly args: Map<string, string | undefined>;
  platform: Platform;
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
  const config: RunConfig = { ...base?.config };
  delete config.OnBuild;
  if (base === undefined) config.WorkingDir = '/';
  const env = [...(config.Env ?? [])];
  if (!env.some((entry) => entry.startsWith('PATH='))) env.push(`PATH=${defaultPath}`);
  config.Env = env;
  return {
    root,
    variables: new Map(env.map(splitEntry)),
    config,
    author: base?.author,
    history: [...(base?.history ?? [])],
    layers: [],
    args: new Map(),
    platform,
    base,
    isBaseUnknown: false,
    hasWorkdir: false,
  };
}

export const copyState = (state: StageState): StageState => ({
  ...state,
  variables: new Map(state.variables),
  config: withoutTriggers(state.config),
  history: [...state.history],
  layers: [...state.layers],
  args: new Map(state.args),
});

/** Triggers of a stage fire in the one that stands on it, and are over then. */
function withoutTriggers({ OnBuild: _fired, ...config }: RunConfig): RunConfig {
  return config;
}

function splitEntry(entry: string): [name: string, value: string] {
  const equals = entry.indexOf('=');
  return equals < 0 ? [entry, ''] : [entry.slice(0, equals), entry.slice(equals + 1)];
}

/** Sets a variable in a list of `NAME=value`, at its place or at the end. */
export function withVariable(env: readonly string[], name: string, value: string): string[] {
  const changed = [...env];
  const at = changed.findIndex((entry) => splitEntry(entry)[0] === name);
  if (at < 0) changed.push(`${name}=${value}`);
  else changed[at] = `${name}=${value}`;
  return changed;
}

const comment = 'buildkit.dockerfile.v0';

/** Notes an instruction in the history; one that changes files has a layer, the difference that its operation made. */
export function note(state: StageState, createdBy: string, hasLayer = false): void {
  state.history.push({ created_by: createdBy, comment, ...(hasLayer ? {} : { empty_layer: true }) });
  if (hasLayer) state.layers.push(state.root);
}

/** Where instructions of which only the last one counts were seen in a stage. */
export interface OnceSeen {
  cmd?: Range;
  entrypoint?: Range;
  healthcheck?: Range;
}
