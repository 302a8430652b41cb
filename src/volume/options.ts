import { invalid } from '../base/errors.ts';
import { parseBinarySize } from '../base/text/units.ts';
import type { Volume } from '../spec/contract/storage.ts';
import type { MountAttributes, MountOption } from '../sys/mount/mount.ts';
import { leastDisk, mostDisk } from '../sys/disk/make.ts';
import { checkShare, mountedSource } from './_mount-words.ts';
import type { Encryption } from './disk/key-file.ts';
import { keyForms, type KeySource, parseKeySource } from './disk/key-source.ts';
import type { DiskSource } from './disk/parts.ts';

/** What is mounted at a volume with options when it is used; `_mounts.ts` has how, for each kind. */
export type VolumeSource =
  | DiskSource
  | {
      readonly kind: 'bind';
      readonly device: string;
      readonly recursive: boolean;
      readonly attributes: MountAttributes;
    }
  | {
      readonly kind: 'filesystem';
      readonly type: string;
      readonly device: string;
      /** Of the file system; without the device. */
      readonly options: readonly MountOption[];
      readonly attributes: MountAttributes;
    };

const encryptions: ReadonlyMap<string, Encryption> = new Map([
  ['fscrypt', 'fscrypt'],
  ['gocryptfs', 'gocryptfs'],
]);

type Given = ReadonlyMap<string, string>;

/** An option of the driver `local`. All that throws: EngineError `invalid`, beginning with `create NAME: `. */
interface LocalOption {
  /** Options that must be named with it, unless `instead` is. */
  readonly needs?: readonly string[];
  readonly instead?: string;
  /** Looks at its value. */
  check?(name: string, value: string, all: Given): void;
  /** What a volume with this option holds; undefined when the option alone does not say. Only one option may. */
  source?(name: string, value: string, all: Given): VolumeSource | undefined;
}

/** Every option that there is: what is not in this table is refused by name. */
const localOptions: Readonly<Record<string, LocalOption>> = {
  device: { needs: ['type'] },
  type: {
    needs: ['device'],
    source(name, type, all) {
      const device = all.get('device') ?? '';
      if (type === '' && device === '') return undefined;
      if (type === 'cifs') checkShare(name, device);
      return mountedSource(name, type, device, all.get('o') ?? '');
    },
  },
  o: { needs: ['device', 'type'], instead: 'mountpoint' },
  mountpoint: {
    source(name, path, all) {
      if (!path.startsWith('/'))
        throw invalid(`create ${name}: mountpoint must be an absolute path, not ${shown(path)}`);
      const words = all.get('o') ?? '';
      return mountedSource(name, 'none', path, /(^|,)r?bind(,|$)/.test(words) ? words : `rbind,${words}`);
    },
  },
  size: {
    source(name, value, all) {
      const limit = limitOf(name, value);
      // The one of an encrypted volume is said there.
      return limit === undefined || all.has('encrypt')
        ? undefined
        : { kind: 'disk', device: '', limit, key: undefined };
    },
  },
  encrypt: {
    source(name, value, all) {
      return {
        kind: 'disk',
        device: '',
        limit: limitOf(name, all.get('size') ?? '0'),
        key: { ...keySourceOf(name, value), encryption: encryptions.get(all.get('encrypt-with') ?? '') },
      };
    },
  },
  'encrypt-with': {
    needs: ['encrypt'],
    check(name, value) {
      if (encryptions.has(value)) return;
      throw invalid(
        `create ${name}: invalid encrypt-with ${shown(value)}: ${[...encryptions.keys()].join(' or ')} is expected`,
      );
    },
  },
};

const shown = (text: string): string => JSON.stringify(text.slice(0, 200));

/**
 * Reads the options of a local volume: `type`, `device` and `o` as mount(8) has them, `mountpoint` for a directory of the
 * host, `size` and `encrypt` for a file system of its own. Undefined for a volume that is a directory of the engine's own.
 * @throws EngineError `invalid` in Docker's words.
 */
export function parseVolumeOptions(name: string, given: Readonly<Record<string, string>>): VolumeSource | undefined {
  const all = new Map(Object.entries(given));
  let found: { readonly key: string; readonly source: VolumeSource } | undefined;
  for (const [key, value] of all) {
    if (!Object.hasOwn(localOptions, key)) throw invalid(`create ${name}: invalid option: ${shown(key)}`);
    const option: LocalOption = localOptions[key] ?? {};
    const { needs = [], instead = '' } = option;
    const missing = all.has(instead) ? undefined : needs.find((other) => !all.has(other));
    if (missing !== undefined) throw invalid(`create ${name}: missing required option: "${missing}"`);
    option.check?.(name, value, all);
    const source = option.source?.(name, value, all);
    if (source === undefined) continue;
    if (found !== undefined)
      throw invalid(`create ${name}: the options "${found.key}" and "${key}" exclude each other`);
    found = { key, source };
  }
  return found?.source;
}

function keySourceOf(name: string, text: string): KeySource {
  const found = parseKeySource(text);
  if (found !== undefined) return found;
  throw invalid(`create ${name}: invalid encrypt ${shown(text)}: ${keyForms} is expected`);
}

/** Bytes; undefined for zero, which is no limit. Docker's grammar of sizes. */
function limitOf(name: string, size: string): number | undefined {
  if (!/^(\d{1,15}(?:\.\d{1,6})?) ?(?:[kmgtp]i?)?b?$/i.test(size)) {
    throw invalid(`create ${name}: invalid size: '${size.slice(0, 100)}'`);
  }
  const bytes = parseBinarySize(size);
  if (bytes === 0) return undefined;
  if (bytes >= leastDisk && bytes <= mostDisk) return bytes;
  throw invalid(`create ${name}: size is from 1m to 8t, not ${size.slice(0, 100)}`);
}

/** Something is mounted at the volume while it is used: it is no plain directory. */
export const isMountedVolume = ({ options }: Volume): boolean => Object.keys(options).length > 0;

/** The file system of its own that a volume is; undefined for others, also when its options are not understood any more. */
export function diskOf({ name, options }: Volume): DiskSource | undefined {
  if (!Object.hasOwn(options, 'size') && !Object.hasOwn(options, 'encrypt')) return undefined;
  try {
    const source = parseVolumeOptions(name, options);
    return source?.kind === 'disk' ? source : undefined;
  } catch {
    return undefined;
  }
}

/** What the options of a volume mount is not of the engine's own storage. */
export const isElsewhere = (volume: Volume): boolean => isMountedVolume(volume) && diskOf(volume) === undefined;
