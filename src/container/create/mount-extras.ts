import { invalid } from '../../base/errors.ts';
import type { IdMapping, IdRange } from '../../spec/contract/user-namespace.ts';
import { hostId } from '../../spec/contract/user-namespace.ts';
import { cleanPath } from './clean-path.ts';

/** What Podman's words in a mode ask for besides a plain mount. */
export interface MountExtras {
  /** `U`: the files become the container's user's. */
  readonly chown?: true;
  /** `O`: what is written goes into an overlay; the folders for it, or undefined for ones that go with the run. */
  readonly overlay?: { readonly upper: string; readonly work: string } | 'passing';
  /** `idmap`: the files show other owners; undefined lists mean those of the container's user namespace. */
  readonly idmap?: { readonly uids: readonly ShiftedRange[]; readonly gids: readonly ShiftedRange[] };
}

/** Ids from `disk` on are shown as those from `shown` on. */
export interface ShiftedRange {
  readonly disk: number;
  readonly shown: number;
  readonly size: number;
  /** `shown` is an id inside the container, not the host's. */
  readonly inside: boolean;
}

/** The words without a value. */
export const extraWords = ['U', 'O', 'idmap'] as const;
/** Those with one: `idmap=...`. */
export const extraKeys = ['idmap', 'upperdir', 'workdir'] as const;

const mostRanges = 340;
const mostId = 0xffff_fffe;

/**
 * The extras among the words of a mode, by group; undefined for none. `target` is for messages.
 * @throws EngineError `invalid`
 */
export function readExtras(words: ReadonlyMap<string, string>, target: string): MountExtras | undefined {
  const overlay = readOverlay(words, target);
  const idmap = words.get('idmap');
  if (!words.has('chown') && overlay === undefined && idmap === undefined) return undefined;
  const excludes = (one: string, other: string) => fault(target, `"${one}" and "${other}" exclude each other`);
  if (idmap !== undefined && words.has('chown')) throw excludes('idmap', 'U');
  if (idmap !== undefined && overlay !== undefined) throw excludes('idmap', 'O');
  const propagation = words.get('propagation');
  if (overlay !== undefined && propagation !== undefined) throw excludes('O', propagation);
  return {
    ...(words.has('chown') ? { chown: true } : {}),
    ...(overlay === undefined ? {} : { overlay }),
    ...(idmap === undefined ? {} : { idmap: readIdmap(idmap, target) }),
  };
}

const fault = (target: string, what: string): Error =>
  invalid(`invalid mount options for ${target.slice(0, 300)}: ${what}`);

function readOverlay(words: ReadonlyMap<string, string>, target: string): MountExtras['overlay'] {
  const [upper, work] = (['upperdir', 'workdir'] as const).map((key) => {
    const path = words.get(key)?.slice(key.length + 1);
    if (path === undefined) return undefined;
    if (!words.has('overlay')) throw fault(target, `"${key}" needs "O"`);
    if (!path.startsWith('/') || path.includes('\0')) throw fault(target, `${key} must be an absolute path`);
    return cleanPath(path);
  });
  if (!words.has('overlay')) return undefined;
  if (upper === undefined && work === undefined) return 'passing';
  if (upper === undefined || work === undefined) throw fault(target, '"upperdir" and "workdir" need each other');
  return { upper, work };
}

/** `idmap`, or `idmap=uids=DISK-SHOWN-SIZE#...;gids=...`, where `@` before a range makes its ids the container's own. */
function readIdmap(word: string, target: string): NonNullable<MountExtras['idmap']> {
  const found = { uids: [] as ShiftedRange[], gids: [] as ShiftedRange[] };
  if (word === 'idmap') return found;
  for (const part of word.slice('idmap='.length).split(';')) {
    const [, kind, ranges] = /^(uids|gids)=(.+)$/.exec(part) ?? [];
    if ((kind !== 'uids' && kind !== 'gids') || ranges === undefined || found[kind].length > 0) {
      throw fault(
        target,
        `idmap: uids=DISK-SHOWN-SIZE#...;gids=... is expected, not ${JSON.stringify(part.slice(0, 100))}`,
      );
    }
    found[kind].push(...ranges.split('#').map((range) => readRange(range, target)));
    if (found[kind].length > mostRanges) throw fault(target, `idmap: there can be at most ${mostRanges} ranges`);
    refuseOverlaps(found[kind], target);
  }
  return found;
}

function readRange(text: string, target: string): ShiftedRange {
  const [, at, disk, shown, size] = /^(@?)(\d{1,10})-(\d{1,10})-(\d{1,10})$/.exec(text) ?? [];
  const range = { disk: Number(disk), shown: Number(shown), size: Number(size), inside: at === '@' };
  const isSound = range.size >= 1 && range.disk + range.size <= mostId + 1 && range.shown + range.size <= mostId + 1;
  if (isSound) return range;
  throw fault(target, `idmap: DISK-SHOWN-SIZE is expected, not ${JSON.stringify(text.slice(0, 100))}`);
}

function refuseOverlaps(ranges: readonly ShiftedRange[], target: string): void {
  for (const side of ['disk', 'shown'] as const) {
    const sorted = ranges.toSorted((a, b) => a[side] - b[side]);
    for (const [at, range] of sorted.entries()) {
      const before = sorted[at - 1];
      if (before === undefined || before[side] + before.size <= range[side]) continue;
      if (side === 'shown' && before.inside !== range.inside) continue;
      throw fault(target, `idmap: ranges overlap at id ${range[side]}`);
    }
  }
}

const everyId: readonly IdRange[] = [{ inside: 0, outside: 0, size: mostId + 1 }];

/**
 * The mapping of a mount: ids on the disk are its inside, ids of the host its outside. `ids` are the container's.
 * @throws EngineError `invalid` for ids that the container does not have
 */
export function mountMapping(
  { uids, gids }: NonNullable<MountExtras['idmap']>,
  ids: IdMapping | undefined,
  target: string,
): IdMapping {
  if (uids.length + gids.length === 0) {
    if (ids !== undefined) return ids;
    throw fault(
      target,
      '"idmap" alone needs a container with a user namespace; without one say idmap=uids=...;gids=...',
    );
  }
  const side = (ranges: readonly ShiftedRange[], container: readonly IdRange[] | undefined): readonly IdRange[] => {
    if (ranges.length === 0) return everyId;
    return ranges.map(({ disk, shown, size, inside }) => {
      if (!inside || container === undefined) return { inside: disk, outside: shown, size };
      const outside = hostId(container, shown);
      if (outside === undefined || hostId(container, shown + size - 1) !== outside + size - 1) {
        throw fault(target, `idmap: the container has no ids from ${shown} to ${shown + size - 1}`);
      }
      return { inside: disk, outside, size };
    });
  };
  return { uids: side(uids, ids?.uids), gids: side(gids, ids?.gids) };
}
