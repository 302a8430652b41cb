import { invalid } from '../../base/errors.ts';
import { csvFields } from '../../base/text/csv.ts';
import { goQuote } from '../../base/text/quote.ts';
import { parseBinarySize } from '../../base/text/units.ts';
import { booleanOf, keyAndValue } from './_fields.ts';
import { withNearest } from './error.ts';

const mountTypes = ['bind', 'cache', 'tmpfs', 'secret', 'ssh'] as const;
export type MountType = (typeof mountTypes)[number];
const sharings = ['shared', 'private', 'locked'] as const;
export type CacheSharing = (typeof sharings)[number];

/** What `RUN --mount` asks for. Empty texts were not given. */
export interface Mount {
  readonly type: MountType;
  readonly from: string;
  readonly source: string;
  readonly target: string;
  readonly readonly: boolean;
  /** Bytes of a tmpfs; 0 for no limit. */
  readonly size: number;
  readonly id: string;
  readonly sharing: CacheSharing | undefined;
  readonly required: boolean;
  /** The variable that a secret is given in; '' for the secret's own name, undefined for none. */
  readonly env: string | undefined;
  readonly mode: number | undefined;
  readonly uid: number | undefined;
  readonly gid: number | undefined;
}

type Draft = { -readonly [Key in keyof Mount]: Mount[Key] } & { isReadonlySaid: boolean };

/** Reads one key. Returns what is wrong, for errors that quote the value. */
type Read = (draft: Draft, value: string, key: string, field: string) => void;

const ofTypes = (types: readonly MountType[], { type }: Draft, key: string): void => {
  if (!types.includes(type)) throw invalid(`unexpected key '${key}' for mount type '${type}'`);
};

function oneOf<T extends string>(known: readonly T[], value: string, what: string): T {
  const found = known.find((name) => name === value.toLowerCase());
  if (found === undefined) throw invalid(withNearest(`unsupported ${what} ${goQuote(value)}`, value, known));
  return found;
}

function truth(value: string, key: string): boolean {
  const read = booleanOf(value);
  if (read === undefined) throw invalid(`invalid value for ${key}: ${value}`);
  return read;
}

const number =
  (key: 'mode' | 'uid' | 'gid', base: 8 | 10): Read =>
  (draft, value) => {
    const digits = base === 8 ? /^[0-7]{1,11}$/ : /^[0-9]{1,10}$/;
    const read = digits.test(value) ? Number.parseInt(value, base) : Number.NaN;
    if (!(read < 2 ** 32)) throw invalid(`invalid value ${value} for ${key}`);
    draft[key] = read;
  };

const readonly =
  (isReadonly: boolean): Read =>
  (draft, value, key) => {
    draft.readonly = truth(value, key) === isReadonly;
    draft.isReadonlySaid = true;
  };

const text =
  (name: 'from' | 'source' | 'target' | 'id' | 'env'): Read =>
  (draft, value) => {
    draft[name] = value;
  };

const readers = new Map<string, Read>([
  ['type', (draft, value) => void (draft.type = oneOf(mountTypes, value, 'mount type'))],
  ['from', text('from')],
  ['source', text('source')],
  ['target', text('target')],
  ['readonly', readonly(true)],
  ['id', text('id')],
  ['sharing', (draft, value) => void (draft.sharing = oneOf(sharings, value, 'sharing value'))],
  ['required', readRequired],
  ['size', readSize],
  ['mode', number('mode', 8)],
  ['uid', number('uid', 10)],
  ['gid', number('gid', 10)],
  ['src', text('source')],
  ['dst', text('target')],
  ['destination', text('target')],
  ['ro', readonly(true)],
  ['rw', readonly(false)],
  ['readwrite', readonly(false)],
  ['env', text('env')],
]);

function readRequired(draft: Draft, value: string, key: string): void {
  ofTypes(['secret', 'ssh'], draft, key);
  draft.required = truth(value, key);
}

function readSize(draft: Draft, value: string, key: string): void {
  ofTypes(['tmpfs'], draft, key);
  try {
    draft.size = parseBinarySize(value);
  } catch {
    throw invalid(`invalid value for ${key}: ${value}`);
  }
}

/** Keys that mean true when they stand alone. */
const switches: ReadonlySet<string> = new Set(['readonly', 'ro', 'readwrite', 'rw', 'required']);

/**
 * Reads the value of `--mount`, each value of it expanded.
 * @throws EngineError `invalid` that quotes the key or the value
 */
export function parseMount(flag: string, expanded: (value: string) => string): Mount {
  const draft: Draft = { ...nothing };
  for (const field of fieldsOf(flag)) {
    const { key, value } = keyAndValue(field);
    if (value === undefined && !switches.has(key)) {
      throw invalid(`invalid field '${field}' must be a key=value pair`);
    }
    const read = readers.get(key);
    if (read === undefined) throw invalid(withNearest(`unexpected key '${key}' in '${field}'`, key, readers.keys()));
    read(draft, value === undefined ? 'true' : expanded(value), key, field);
  }
  const { isReadonlySaid, ...mount } = draft;
  if (!isReadonlySaid) mount.readonly = mount.type !== 'cache' && mount.type !== 'tmpfs';
  checkMount(mount);
  return mount;
}

const nothing: Draft = {
  type: 'bind',
  from: '',
  source: '',
  target: '',
  readonly: true,
  size: 0,
  id: '',
  sharing: undefined,
  required: false,
  env: undefined,
  mode: undefined,
  uid: undefined,
  gid: undefined,
  isReadonlySaid: false,
};

function fieldsOf(flag: string): string[] {
  try {
    return csvFields(flag);
  } catch (error) {
    throw invalid(`failed to parse csv mounts: ${(error as Error).message}`, error);
  }
}

function checkMount(mount: Mount): void {
  const { type } = mount;
  if (type === 'bind' || type === 'tmpfs') {
    const extra = (['mode', 'uid', 'gid'] as const).find((key) => mount[key] !== undefined);
    if (extra !== undefined) throw invalid(`${extra} not allowed for ${goQuote(type)} type mounts`);
  }
  if (type === 'secret') {
    if (mount.from !== '') throw invalid('secret mount should not have a from');
    if (mount.sharing !== undefined) throw invalid('secret mount should not define sharing');
    if (mount.source === '' && mount.target === '' && mount.id === '') {
      throw invalid('invalid secret mount. one of source, target required');
    }
    if (mount.source !== '' && mount.id !== '') throw invalid("both source and id can't be set");
  }
  if (mount.sharing !== undefined && type !== 'cache') throw invalid(`invalid cache sharing set for ${type} mount`);
}

/**
 * The stage or image that a mount takes its files from, which is known before variables are: it may have none.
 * @throws EngineError `invalid`
 */
export function mountSource(flag: string): string {
  let from = '';
  for (const field of fieldsOf(flag)) {
    const { key, value = '' } = keyAndValue(field);
    if (key !== 'from') continue;
    const dollar = value.indexOf('$');
    if (dollar >= 0 && dollar !== value.length - 1) {
      throw invalid("'from' doesn't support variable expansion, define alias stage instead");
    }
    from = value;
  }
  return from;
}
