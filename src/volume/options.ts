import { invalid } from '../base/errors.ts';
import type { MountAttributes, MountOption } from '../sys/mount/mount.ts';

/** What is mounted at a volume with options when it is used. */
export type VolumeSource =
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
      readonly options: readonly MountOption[];
      readonly attributes: MountAttributes;
    };

/** Which options need which others, as Docker's local driver has it. */
const required: Readonly<Record<string, readonly string[]>> = {
  device: ['type'],
  type: ['device'],
  o: ['device', 'type'],
  size: [],
};

/** mount(8)'s options that belong to the mount; all others are the file system's. */
const attributes: Readonly<Record<string, MountAttributes>> = {
  ro: { readOnly: true },
  rw: { readOnly: false },
  nosuid: { noSuid: true },
  nodev: { noDev: true },
  noexec: { noExec: true },
  suid: { noSuid: false },
  dev: { noDev: false },
  exec: { noExec: false },
};
/** Said for mount(8)'s sake; they change nothing here. */
const ignored = new Set(['', 'defaults', 'auto', 'noauto', 'user', 'nouser', '_netdev', 'nofail']);

/**
 * Reads the options of a local volume: `type`, `device` and `o` as mount(8) has them. Undefined for none.
 * @throws EngineError `invalid` in Docker's words, also for `size`: the storage of volumes has no quotas.
 */
export function parseVolumeOptions(name: string, given: Readonly<Record<string, string>>): VolumeSource | undefined {
  const options = new Map(Object.entries(given));
  for (const key of options.keys()) {
    if (key === 'size') checkSize(name, options.get(key) ?? '');
    const missing = Object.hasOwn(required, key) ? required[key]?.find((other) => !options.has(other)) : undefined;
    if (!Object.hasOwn(required, key)) throw invalid(`create ${name}: invalid option: "${key}"`);
    if (missing !== undefined) throw invalid(`create ${name}: missing required option: "${missing}"`);
  }
  const [type, device] = [options.get('type') ?? '', options.get('device') ?? ''];
  if (type === '' && device === '') return undefined;
  if (type === 'cifs') checkShare(name, device);
  return sourceOf(name, type, device, (options.get('o') ?? '').split(','));
}

/** Docker's grammar of sizes; anything but zero needs quotas. */
function checkSize(name: string, size: string): void {
  const match = /^(\d{1,15}(?:\.\d{1,6})?) ?(?:[kmgtp]i?)?b?$/i.exec(size);
  if (match === null) throw invalid(`create ${name}: invalid size: '${size.slice(0, 100)}'`);
  if (Number(match[1]) > 0) throw invalid(`create ${name}: quota size requested but no quota support`);
}

/** The kernel takes the port of a share as an option only. */
function checkShare(name: string, device: string): void {
  const host = device.startsWith('//') ? (device.slice(2).split('/')[0] ?? '') : '';
  if (/:\d+$/.test(host) && (!host.includes('::') || host.includes(']:'))) {
    throw invalid(`create ${name}: port not allowed in CIFS device URL, include 'port' in 'o='`);
  }
}

function sourceOf(name: string, type: string, device: string, words: readonly string[]): VolumeSource {
  const bind = words.find((word) => word === 'bind' || word === 'rbind');
  const own: Record<string, boolean> = {};
  const rest: MountOption[] = [];
  for (const word of words) {
    if (Object.hasOwn(attributes, word)) Object.assign(own, attributes[word]);
    else if (word !== bind && !ignored.has(word)) rest.push(optionOf(word));
  }
  if (bind === undefined)
    return { kind: 'filesystem', type, device, options: [['source', device], ...rest], attributes: own };
  if (rest.length > 0) throw invalid(`create ${name}: invalid mount option for a bind: ${JSON.stringify(rest[0])}`);
  if (!device.startsWith('/')) throw invalid(`create ${name}: the device of a bind must be an absolute path`);
  return { kind: 'bind', device, recursive: bind === 'rbind', attributes: own };
}

function optionOf(word: string): MountOption {
  const at = word.indexOf('=');
  return at < 0 ? word : [word.slice(0, at), word.slice(at + 1)];
}
