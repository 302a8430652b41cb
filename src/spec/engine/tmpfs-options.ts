import { invalid } from '../../base/errors.ts';

/** Flags of mount(8) that a tmpfs may get; those of one line exclude each other: the last one wins. */
const flagGroups: readonly (readonly string[])[] = [
  ['ro', 'rw'],
  ['suid', 'nosuid'],
  ['dev', 'nodev'],
  ['exec', 'noexec'],
  ['sync', 'async'],
  ['dirsync'],
  ['mand', 'nomand'],
  ['atime', 'noatime', 'relatime', 'norelatime', 'strictatime', 'nostrictatime'],
  ['diratime', 'nodiratime'],
  ['private', 'rprivate', 'shared', 'rshared', 'slave', 'rslave', 'unbindable', 'runbindable'],
];
const groupOf = new Map(flagGroups.flatMap((group, at) => group.map((flag) => [flag, `flag ${at}`] as const)));

/** Settings with a value (tmpfs(5)). */
const settings = new Set(['size', 'mode', 'uid', 'gid', 'nr_inodes', 'nr_blocks', 'mpol']);

/**
 * Joins the options that every tmpfs of a container gets with the wanted ones; later ones win, the order of first
 * mention stays. @throws invalid, in Docker's words, for an option that tmpfs does not have.
 */
export function mergeTmpfsOptions(base: readonly string[], wanted: readonly string[]): string[] {
  const merged = new Map<string, string>();
  for (const option of [...base, ...wanted]) {
    if (option === '' || option === 'defaults') continue;
    merged.set(keyOf(option), option);
  }
  return [...merged.values()];
}

function keyOf(option: string): string {
  const equals = option.indexOf('=');
  const key = equals < 0 ? groupOf.get(option) : settingKey(option.slice(0, equals));
  if (key === undefined) throw invalid(`invalid tmpfs option ${JSON.stringify(option.slice(0, 200))}`);
  return key;
}

const settingKey = (name: string): string | undefined => (settings.has(name) ? name : undefined);

/** The permission bits that the options ask for; undefined when they do not. The last one counts, as for the kernel. */
export function requestedMode(options: readonly string[]): number | undefined {
  const text = options.findLast((option) => option.startsWith('mode='))?.slice('mode='.length);
  return text !== undefined && /^[0-7]{1,5}$/.test(text) ? Number.parseInt(text, 8) & 0o7777 : undefined;
}
