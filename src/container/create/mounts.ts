import { invalid } from '../../base/errors.ts';
import type { ContainerConfig, HostConfig, MountSpec } from '../../spec/engine/container.ts';
import { mergeTmpfsOptions } from '../../spec/engine/tmpfs-options.ts';
import { cleanPath } from './clean-path.ts';
import { parseBind, parseMode } from './binds.ts';
import { type MountExtras, readExtras } from './mount-extras.ts';

/** One mount that a container asks for, whatever the words it used. */
export type WantedMount =
  | {
      readonly kind: 'bind';
      readonly source: string;
      readonly target: string;
      readonly readOnly: boolean;
      readonly recursive: boolean;
      /** Submounts stay writable below a read-only bind. */
      readonly readOnlyNonRecursive: boolean;
      /** Submounts must become read-only too. */
      readonly readOnlyForceRecursive: boolean;
      /** Empty when the request does not say. */
      readonly propagation: string;
      readonly mode: string;
      /** A missing source becomes a directory (`--volume`) instead of an error (`--mount`). */
      readonly createSource: boolean;
      readonly extras?: MountExtras | undefined;
    }
  | {
      readonly kind: 'volume';
      /** Undefined for an anonymous volume. */
      readonly name: string | undefined;
      readonly target: string;
      readonly readOnly: boolean;
      readonly mode: string;
      readonly copy: boolean;
      readonly subpath: string;
      readonly driver: string;
      readonly driverOptions: Readonly<Record<string, string>>;
      readonly labels: Readonly<Record<string, string>>;
      readonly extras?: MountExtras | undefined;
    }
  | {
      readonly kind: 'tmpfs';
      readonly target: string;
      readonly readOnly: boolean;
      /** As tmpfs(5) has them, without the defaults of a container. */
      readonly options: readonly string[];
    }
  | { readonly kind: 'image'; readonly source: string; readonly target: string; readonly subpath: string };

/**
 * All mounts of a container: binds, mounts and tmpfs of the request, then an anonymous volume at each place that the
 * configuration names as a volume and that nothing else covers. Targets are absolute and clean.
 * `oldReadOnly`: read-only binds leave what is mounted below them writable (API before 1.44).
 * @throws invalid in Docker's words, also for two mounts at one place.
 */
export function wantedMounts(config: ContainerConfig, host: HostConfig, oldReadOnly = false): WantedMount[] {
  const mounts: WantedMount[] = [
    ...(host.Binds ?? []).map((bind) => bindMount(bind, host.VolumeDriver)),
    ...(host.Mounts ?? []).map(specMount),
    ...Object.entries(host.Tmpfs ?? {}).map(([target, options]) => tmpfsMount(target, options)),
  ];
  if (oldReadOnly) for (const [at, one] of mounts.entries()) mounts[at] = withOldReadOnly(one);
  const targets = new Set<string>();
  for (const { target } of mounts) {
    if (targets.has(target)) throw invalid(`Duplicate mount point: ${target}`);
    targets.add(target);
  }
  for (const raw of Object.keys(config.Volumes ?? {})) {
    const target = volumeTarget(raw);
    if (targets.has(target)) continue;
    targets.add(target);
    mounts.push(anonymousVolume(target, host.VolumeDriver));
  }
  return mounts;
}

const withOldReadOnly = (mount: WantedMount): WantedMount =>
  mount.kind === 'bind' && mount.readOnly ? { ...mount, readOnlyNonRecursive: true } : mount;

const volumeBase = {
  kind: 'volume',
  readOnly: false,
  mode: '',
  copy: true,
  subpath: '',
  driverOptions: {},
  labels: {},
} as const;

const anonymousVolume = (target: string, driver: string): WantedMount => ({
  ...volumeBase,
  name: undefined,
  target,
  driver,
});

function volumeTarget(raw: string): string {
  // Images may name it without the slash.
  const target = cleanPath(raw);
  if (raw.includes('\0')) throw invalid(`invalid mount path: '${raw.slice(0, 300)}'`);
  if (target === '/') throw invalid("invalid specification: destination can't be '/'");
  return target;
}

function bindMount(raw: string, volumeDriver: string): WantedMount {
  const bind = parseBind(raw);
  const { target, readOnly, mode } = bind;
  if (!bind.source.startsWith('/')) {
    return {
      ...volumeBase,
      name: bind.source === '' ? undefined : bind.source,
      target,
      readOnly,
      mode: mode === '' ? 'z' : mode,
      copy: !bind.noCopy,
      driver: volumeDriver,
      extras: bind.extras,
    };
  }
  return {
    kind: 'bind',
    source: bind.source,
    target,
    readOnly,
    recursive: true,
    readOnlyNonRecursive: false,
    readOnlyForceRecursive: false,
    propagation: bind.propagation ?? '',
    mode,
    // An overlay over a folder that is not there would show nothing.
    createSource: bind.extras?.overlay === undefined,
    extras: bind.extras,
  };
}

function tmpfsMount(target: string, options: string): WantedMount {
  if (cleanPath(target) === '/') throw invalid("invalid specification: destination can't be '/'");
  if (!target.startsWith('/') || target.includes('\0')) {
    throw invalid(`invalid mount path: '${target.slice(0, 300)}' mount path must be absolute`);
  }
  const list = options.split(',').filter((option) => option !== '');
  mergeTmpfsOptions([], list);
  return { kind: 'tmpfs', target: cleanPath(target), readOnly: list.includes('ro'), options: withoutRo(list) };
}

const withoutRo = (options: readonly string[]): string[] => options.filter((option) => option !== 'ro');

const fail = (type: string, reason: string): Error =>
  invalid(`invalid mount config for type ${JSON.stringify(type)}: ${reason}`);

/** Docker's answer when the source of a `--mount` bind is not there. */
export const missingBindSource = (source: string): Error =>
  fail('bind', `bind source path does not exist: ${source.slice(0, 4096)}`);

function checkTarget(spec: MountSpec): void {
  const target = spec.Target;
  if (target === '') throw fail(spec.Type, 'field Target must not be empty');
  if (!target.startsWith('/') || target.includes('\0')) {
    throw fail(spec.Type, `invalid mount path: '${target.slice(0, 300)}' mount path must be absolute`);
  }
  if (cleanPath(target) === '/') throw fail(spec.Type, "invalid specification: destination can't be '/'");
}

/** Fields that only one type may have. */
const ownFields = {
  bind: 'BindOptions',
  volume: 'VolumeOptions',
  tmpfs: 'TmpfsOptions',
  image: 'ImageOptions',
} as const;

function specMount(spec: MountSpec): WantedMount {
  checkTarget(spec);
  for (const [type, field] of Object.entries(ownFields)) {
    if (type !== spec.Type && spec[field] !== undefined && spec[field] !== null) {
      throw fail(spec.Type, `field ${field} must not be specified`);
    }
  }
  if ((spec.Mode ?? '') !== '' && spec.Type !== 'bind' && spec.Type !== 'volume') {
    throw fail(spec.Type, 'field Mode must not be specified');
  }
  switch (spec.Type) {
    case 'bind':
      return bindSpecMount(spec);
    case 'volume':
      return volumeSpecMount(spec);
    case 'tmpfs':
      return tmpfsSpecMount(spec);
    case 'image':
      if (!spec.Source) throw fail('image', 'field Source must not be empty');
      return {
        kind: 'image',
        source: spec.Source,
        target: cleanPath(spec.Target),
        subpath: checkSubpath('image', spec.ImageOptions?.Subpath),
      };
    default:
      throw fail(String(spec.Type), 'mount type unknown');
  }
}

/** Words that a mode of `Mounts` may have: for all others there are fields. */
const specGroups = new Set(['chown', 'overlay', 'idmap', 'upperdir', 'workdir']);

function specExtras({ Mode: mode = '', Type: type, Target: target, BindOptions: bind }: MountSpec) {
  const words = parseMode(mode);
  if (words === undefined || [...words.keys()].some((group) => !specGroups.has(group))) {
    throw fail(type, `invalid mode: ${mode.slice(0, 100)}`);
  }
  const propagation = bind?.Propagation ?? '';
  return readExtras(propagation === '' ? words : new Map([...words, ['propagation', propagation]]), cleanPath(target));
}

const propagations = new Set(['', 'private', 'rprivate', 'shared', 'rshared', 'slave', 'rslave']);

function bindSpecMount(spec: MountSpec): WantedMount {
  const source = spec.Source ?? '';
  const options = spec.BindOptions ?? {};
  const propagation = options.Propagation ?? '';
  if (source === '') throw fail('bind', 'field Source must not be empty');
  if (!source.startsWith('/') || source.includes('\0')) {
    throw fail('bind', `invalid mount path: '${source.slice(0, 300)}' mount path must be absolute`);
  }
  if (!propagations.has(propagation)) throw fail('bind', `invalid propagation mode: ${propagation.slice(0, 100)}`);
  const { ReadOnlyNonRecursive: flat = false, ReadOnlyForceRecursive: force = false } = options;
  if (spec.ReadOnly !== true && flat) throw conflicting('!ReadOnly && BindOptions.ReadOnlyNonRecursive');
  if (spec.ReadOnly !== true && force) throw conflicting('!ReadOnly && BindOptions.ReadOnlyForceRecursive');
  if (flat && force) throw conflicting('ReadOnlyNonRecursive && BindOptions.ReadOnlyForceRecursive');
  return {
    kind: 'bind',
    source: cleanPath(source),
    target: cleanPath(spec.Target),
    readOnly: spec.ReadOnly === true,
    recursive: options.NonRecursive !== true,
    readOnlyNonRecursive: flat,
    readOnlyForceRecursive: force,
    propagation,
    mode: spec.Mode ?? '',
    createSource: options.CreateMountpoint === true,
    extras: specExtras(spec),
  };
}

const conflicting = (what: string): Error => invalid(`mount options conflict: ${what}`);

function volumeSpecMount(spec: MountSpec): WantedMount {
  const options = spec.VolumeOptions ?? {};
  const name = spec.Source === undefined || spec.Source === '' ? undefined : spec.Source;
  if (name === undefined && spec.ReadOnly === true) {
    throw fail('volume', 'must not set ReadOnly mode when using anonymous volumes');
  }
  if (name === undefined && (options.Subpath ?? '') !== '') {
    throw fail('volume', 'must not set Subpath when using anonymous volumes');
  }
  return {
    ...volumeBase,
    name,
    target: cleanPath(spec.Target),
    readOnly: spec.ReadOnly === true,
    mode: spec.Mode === undefined || spec.Mode === '' ? 'z' : spec.Mode,
    extras: specExtras(spec),
    copy: options.NoCopy !== true,
    subpath: checkSubpath('volume', options.Subpath),
    driver: options.DriverConfig?.Name ?? '',
    driverOptions: options.DriverConfig?.Options ?? {},
    labels: options.Labels ?? {},
  };
}

/** A path inside a volume or image: relative, and never out of it. */
function checkSubpath(type: string, subpath: string | undefined): string {
  if (subpath === undefined || subpath === '') return '';
  let depth = 0;
  for (const part of subpath.split('/')) {
    if (part === '..') depth--;
    else if (part !== '' && part !== '.') depth++;
    if (depth < 0) break;
  }
  if (subpath.startsWith('/') || subpath.includes('\0') || depth < 0) {
    throw fail(type, 'subpath must be a relative path within the volume');
  }
  return cleanPath(`/${subpath}`).slice(1);
}

/** What a tmpfs of `Mounts` may say besides size and mode. */
const tmpfsWords = new Set(['exec', 'noexec']);

function tmpfsWord(pair: readonly string[]): string {
  const [word = ''] = pair;
  if (pair.length < 1 || pair.length > 2) throw fail('tmpfs', 'invalid option array length');
  if (!tmpfsWords.has(word)) throw fail('tmpfs', `invalid option: ${word.slice(0, 100)}`);
  return pair.join('=');
}

function tmpfsSpecMount(spec: MountSpec): WantedMount {
  if (spec.Source !== undefined && spec.Source !== '') throw fail('tmpfs', 'field Source must not be specified');
  const { SizeBytes: size = 0, Mode: mode = 0, Options: pairs = [] } = spec.TmpfsOptions ?? {};
  if (size < 0) throw fail('tmpfs', 'size must not be negative');
  const options = pairs.map(tmpfsWord);
  if (size > 0) options.push(`size=${size}`);
  if (mode !== 0) options.push(`mode=${mode.toString(8)}`);
  mergeTmpfsOptions([], options);
  return {
    kind: 'tmpfs',
    target: cleanPath(spec.Target),
    readOnly: spec.ReadOnly === true,
    options: withoutRo(options),
  };
}
