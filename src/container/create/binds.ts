import { invalid } from '../../base/errors.ts';
import { cleanPath } from './clean-path.ts';
import { extraKeys, extraWords, type MountExtras, readExtras } from './mount-extras.ts';

/** What `source:target:mode` of `--volume` and `HostConfig.Binds` says. */
export interface BindSpec {
  /** Absolute path of the host, or the name of a volume; empty for a volume without a name. */
  readonly source: string;
  readonly target: string;
  /** The third field as it came: what `Mounts[].Mode` of an inspected container shows. */
  readonly mode: string;
  readonly readOnly: boolean;
  /** `rshared`, `slave`, ...; undefined when it is not named. */
  readonly propagation: string | undefined;
  /** Do not fill an empty volume with the image's files. */
  readonly noCopy: boolean;
  /** SELinux relabelling: `z` shared among containers, `Z` private. */
  readonly relabel: 'z' | 'Z' | undefined;
  readonly extras?: MountExtras;
}

/** Words of a mode; of each group at most one may be named. */
const groups: readonly (readonly [string, readonly string[]])[] = [
  ['access', ['rw', 'ro']],
  ['label', ['z', 'Z']],
  ['propagation', ['shared', 'rshared', 'slave', 'rslave', 'private', 'rprivate']],
  ['copy', ['nocopy']],
  ['consistency', ['consistent', 'cached', 'delegated']],
  ['chown', [extraWords[0]]],
  ['overlay', [extraWords[1]]],
  ['idmap', [extraWords[2]]],
];
const groupOfWord = new Map(groups.flatMap(([group, words]) => words.map((word) => [word, group] as const)));

const invalidSpec = (raw: string, reason?: string): Error =>
  invalid(`invalid volume specification: '${raw.slice(0, 300)}'${reason === undefined ? '' : `: ${reason}`}`);

/** A word that only the other kind of mount may have. */
const otherType = (raw: string, type: string, field: string): Error =>
  invalidSpec(raw, `invalid mount config for type "${type}": field ${field} must not be specified`);

/** The words of a mode by group, undefined when it is no mode. */
export function parseMode(mode: string): ReadonlyMap<string, string> | undefined {
  const found = new Map<string, string>();
  if (mode === '') return found;
  for (const word of mode.split(',')) {
    const group = groupOfWord.get(word) ?? extraKeys.find((key) => word.startsWith(`${key}=`));
    if (group === undefined || found.has(group)) return undefined;
    found.set(group, word);
  }
  return found;
}

/** @throws invalid in Docker's words. Whether a source exists is not looked at here. */
export function parseBind(raw: string): BindSpec {
  const parts = raw.split(':');
  // A target alone is a volume without a name.
  const [source, target, mode = ''] = parts.length === 1 ? ['', ...parts] : parts;
  if (parts[0] === '' || source === undefined || target === undefined || parts.length > 3) throw invalidSpec(raw);
  // `/data:ro` would be a volume without a source.
  if (parts.length === 2 && parseMode(target) !== undefined) throw invalidSpec(raw);
  const words = parseMode(mode);
  if (words === undefined) throw invalid(`invalid mode: ${mode.slice(0, 100)}`);
  if (target.includes('\0') || source.includes('\0')) throw invalidSpec(raw);
  const isBind = source.startsWith('/');
  const config = `invalid mount config for type "${isBind ? 'bind' : 'volume'}"`;
  if (!target.startsWith('/'))
    throw invalidSpec(raw, `${config}: invalid mount path: '${target}' mount path must be absolute`);
  const cleaned = cleanPath(target);
  if (cleaned === '/') throw invalidSpec(raw, `${config}: invalid specification: destination can't be '/'`);
  if (isBind && words.has('copy')) throw otherType(raw, 'bind', 'VolumeOptions');
  if (!isBind && words.has('propagation')) throw otherType(raw, 'volume', 'BindOptions');
  const relabel = words.get('label');
  const extras = readExtras(words, cleaned);
  return {
    source: source.startsWith('/') ? cleanPath(source) : source,
    target: cleaned,
    mode,
    readOnly: words.get('access') === 'ro',
    propagation: words.get('propagation'),
    noCopy: words.has('copy'),
    relabel: relabel === 'z' || relabel === 'Z' ? relabel : undefined,
    ...(extras === undefined ? {} : { extras }),
  };
}
