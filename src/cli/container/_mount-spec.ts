import { invalid } from '../../base/errors.ts';
import { csvFields } from '../../base/text/csv.ts';
import { parseBinarySize } from '../../base/text/units.ts';
import type { MountSpec } from '../../spec/engine/container.ts';
import { parseBoolean, parsedBy } from '../flags/types.ts';
import { cut } from './validate.ts';

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** A path that begins with a dot is the user's, relative to where the command runs. */
export function absolutePath(path: string): string {
  return path.startsWith('.') ? process.getBuiltinModule('node:path').resolve(path) : path;
}

/** One `--mount key=value,...`. */
export const mountType = parsedBy<MountSpec[]>('mount', [], (text, current) => [...current, parseMount(text)]);

function parseMount(text: string): MountSpec {
  const mount: Writable<MountSpec> = { Type: 'volume', Target: '' };
  for (const field of csvFields(text)) {
    const { before, after, found } = cut(field, '=');
    const key = before.toLowerCase();
    const apply = found ? withValue[key] : withoutValue[key];
    if (apply !== undefined && Object.hasOwn(found ? withValue : withoutValue, key)) apply(mount, after, key);
    else if (found) throw invalid(`unexpected key '${key}' in '${field}'`);
    else throw invalid(`invalid field '${field}' must be a key=value pair`);
  }
  check(mount);
  return mount;
}

type Apply = (mount: Writable<MountSpec>, value: string, key: string) => void;

const bind = (mount: Writable<MountSpec>) => (mount.BindOptions ??= {});
const volume = (mount: Writable<MountSpec>) => (mount.VolumeOptions ??= { Labels: {}, DriverConfig: {} });
const tmpfs = (mount: Writable<MountSpec>) => (mount.TmpfsOptions ??= {});

function boolean(value: string, key: string): boolean {
  try {
    return parseBoolean(value);
  } catch {
    throw invalid(`invalid value for ${key}: ${value}`);
  }
}

/** Podman's words, which this engine takes in the mode that `-v` has. */
const addMode = (mount: Writable<MountSpec>, word: string): void =>
  void (mount.Mode = mount.Mode === undefined ? word : `${mount.Mode},${word}`);
const modeFlag =
  (word: string): Apply =>
  (mount, value, key) => {
    if (value === '' || boolean(value, key)) addMode(mount, word);
  };
const modes: Readonly<Record<string, Apply>> = {
  u: modeFlag('U'),
  chown: modeFlag('U'),
  o: modeFlag('O'),
  overlay: modeFlag('O'),
};

const withoutValue: Readonly<Record<string, Apply>> = {
  ...modes,
  idmap: (mount) => addMode(mount, 'idmap'),
  'bind-create-src': (mount) => void (bind(mount).CreateMountpoint = true),
  readonly: (mount) => void (mount.ReadOnly = true),
  ro: (mount) => void (mount.ReadOnly = true),
  'volume-nocopy': (mount) => void (volume(mount).NoCopy = true),
  'bind-nonrecursive': (mount) => void (bind(mount).NonRecursive = true),
};

const setSource: Apply = (mount, value) => void (mount.Source = absolutePath(value));
const setTarget: Apply = (mount, value) => void (mount.Target = value);
const setReadOnly: Apply = (mount, value, key) => {
  if (boolean(value, key)) mount.ReadOnly = true;
  else delete mount.ReadOnly;
};

const withValue: Readonly<Record<string, Apply>> = {
  ...modes,
  idmap: (mount, value) => addMode(mount, `idmap=${value}`),
  upperdir: (mount, value) => addMode(mount, `upperdir=${absolutePath(value)}`),
  workdir: (mount, value) => addMode(mount, `workdir=${absolutePath(value)}`),
  'bind-create-src': (mount, value, key) => void (bind(mount).CreateMountpoint = boolean(value, key)),
  type: (mount, value) => void (mount.Type = value.toLowerCase() as MountSpec['Type']),
  source: setSource,
  src: setSource,
  target: setTarget,
  dst: setTarget,
  destination: setTarget,
  readonly: setReadOnly,
  ro: setReadOnly,
  consistency: (mount, value) => void (mount.Consistency = value.toLowerCase()),
  'bind-propagation': (mount, value) => void (bind(mount).Propagation = value.toLowerCase()),
  'bind-nonrecursive': (mount, value, key) => void (bind(mount).NonRecursive = boolean(value, key)),
  'bind-recursive': setRecursion,
  'volume-subpath': (mount, value) => void (volume(mount).Subpath = value),
  'volume-nocopy': (mount, value, key) => void (volume(mount).NoCopy = boolean(value, key)),
  'volume-label': (mount, value) => addPair((volume(mount).Labels ??= {}), value),
  'volume-driver': (mount, value) => void ((volume(mount).DriverConfig ??= {}).Name = value),
  'volume-opt': (mount, value) => addPair(((volume(mount).DriverConfig ??= {}).Options ??= {}), value),
  'image-subpath': (mount, value) => void (mount.ImageOptions = { Subpath: value }),
  'tmpfs-size': (mount, value, key) => {
    try {
      tmpfs(mount).SizeBytes = parseBinarySize(value);
    } catch {
      throw invalid(`invalid value for ${key}: ${value}`);
    }
  },
  'tmpfs-mode': (mount, value, key) => {
    if (!/^[0-7]{1,10}$/.test(value)) throw invalid(`invalid value for ${key}: ${value}`);
    tmpfs(mount).Mode = Number.parseInt(value, 8);
  },
};

function addPair(target: Record<string, string>, value: string): void {
  const { before, after } = cut(value, '=');
  if (before !== '') target[before] = after;
}

function setRecursion(mount: Writable<MountSpec>, value: string, key: string): void {
  const options = bind(mount);
  if (value === 'disabled') options.NonRecursive = true;
  else if (value === 'writable') options.ReadOnlyNonRecursive = true;
  else if (value === 'readonly') options.ReadOnlyForceRecursive = true;
  else if (value !== 'enabled') {
    throw invalid(`invalid value for ${key}: ${value} (must be "enabled", "disabled", "writable", or "readonly")`);
  }
}

function check(mount: MountSpec): void {
  if (mount.Type === ('' as MountSpec['Type'])) throw invalid('type is required');
  if (mount.Target === '') throw invalid('target is required');
  const groups = {
    volume: mount.VolumeOptions,
    image: mount.ImageOptions,
    bind: mount.BindOptions,
    tmpfs: mount.TmpfsOptions,
  };
  for (const [type, options] of Object.entries(groups)) {
    if (options !== undefined && mount.Type !== type) {
      throw invalid(`cannot mix '${type}-*' options with mount type '${mount.Type}'`);
    }
  }
  const option = (name: string, needs: string) =>
    invalid(`option 'bind-recursive=${name}' requires '${needs}' to be specified in conjunction`);
  const { ReadOnlyNonRecursive, ReadOnlyForceRecursive, Propagation } = mount.BindOptions ?? {};
  if (ReadOnlyNonRecursive === true && mount.ReadOnly !== true) throw option('writable', 'readonly');
  if (ReadOnlyForceRecursive !== true) return;
  if (mount.ReadOnly !== true) throw option('readonly', 'readonly');
  if (Propagation !== 'rprivate') throw option('readonly', 'bind-propagation=rprivate');
}
