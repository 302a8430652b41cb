import { invalid } from '../base/errors.ts';
import type { MountAttributes, MountOption } from '../sys/mount/mount.ts';
import type { VolumeSource } from './options.ts';

/** mount(8)'s words that belong to the mount; all others are the file system's. */
const attributes: Readonly<Record<string, MountAttributes>> = {
  ro: { readOnly: true },
  rw: { readOnly: false },
  nosuid: { noSuid: true },
  nodev: { noDev: true },
  noexec: { noExec: true },
  suid: { noSuid: false },
  dev: { noDev: false },
  exec: { noExec: false },
  noatime: { noAtime: true },
  atime: { noAtime: false },
};
/** Said for mount(8)'s sake; they change nothing here. */
const ignored = new Set(['', 'defaults', 'auto', 'noauto', 'user', 'nouser', '_netdev', 'nofail', 'relatime', 'async']);

/** What `type`, `device` and `o` mean, in the grammar of mount(8). @throws EngineError `invalid` */
export function mountedSource(name: string, type: string, device: string, o: string): VolumeSource {
  const words = o.split(',');
  const bind = words.find((word) => word === 'bind' || word === 'rbind');
  const own: Record<string, boolean> = {};
  const rest: MountOption[] = [];
  for (const word of words) {
    if (Object.hasOwn(attributes, word)) Object.assign(own, attributes[word]);
    else if (word !== bind && !ignored.has(word)) rest.push(optionOf(word));
  }
  if (bind === undefined) return { kind: 'filesystem', type, device, options: rest, attributes: own };
  if (rest.length > 0) throw invalid(`create ${name}: invalid mount option for a bind: ${JSON.stringify(rest[0])}`);
  if (!device.startsWith('/')) throw invalid(`create ${name}: the device of a bind must be an absolute path`);
  return { kind: 'bind', device, recursive: bind === 'rbind', attributes: own };
}

function optionOf(word: string): MountOption {
  const at = word.indexOf('=');
  return at < 0 ? word : [word.slice(0, at), word.slice(at + 1)];
}

/** The kernel takes the port of a share as an option only. @throws EngineError `invalid` in Docker's words */
export function checkShare(name: string, device: string): void {
  const host = device.startsWith('//') ? (device.slice(2).split('/')[0] ?? '') : '';
  if (/:\d+$/.test(host) && (!host.includes('::') || host.includes(']:'))) {
    throw invalid(`create ${name}: port not allowed in CIFS device URL, include 'port' in 'o='`);
  }
}
