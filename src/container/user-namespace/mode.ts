import { invalid } from '../../base/errors.ts';

/** What `HostConfig.UsernsMode` asks for. Sizes are numbers of ids. */
export type UserNamespaceMode =
  | { readonly kind: 'engine' }
  | { readonly kind: 'host' }
  | { readonly kind: 'auto'; readonly size: number }
  | { readonly kind: 'keep-id'; readonly uid: number; readonly gid: number; readonly size: number };

/** As many ids as programs of images may expect: all of 16 bits. */
const defaultSize = 65_536;
const mostIds = 0x7fff_ffff;

/**
 * Docker's `` (what the engine does) and `host`, and as additions `auto[:size=N]` and `keep-id:uid=N,gid=N[,size=N]`.
 * @throws invalid, in Docker's words for a mode that nobody knows.
 */
export function parseUserNamespaceMode(text: string): UserNamespaceMode {
  if (text === '') return { kind: 'engine' };
  if (text === 'host') return { kind: 'host' };
  const colon = text.indexOf(':');
  const kind = colon < 0 ? text : text.slice(0, colon);
  if (kind !== 'auto' && kind !== 'keep-id') throw invalid(`invalid user namespace mode: ${text.slice(0, 100)}`);
  const options = parseOptions(kind, colon < 0 ? '' : text.slice(colon + 1));
  const size = options.get('size') ?? defaultSize;
  if (size < 1) throw invalid(`invalid user namespace mode: ${kind}: size must be at least 1`);
  if (kind === 'auto') return { kind, size };
  const [uid, gid] = [options.get('uid'), options.get('gid')];
  if (uid === undefined || gid === undefined) {
    throw invalid('invalid user namespace mode: keep-id needs the ids to keep: keep-id:uid=N,gid=N');
  }
  if (uid === 0 || gid === 0) throw invalid("invalid user namespace mode: keep-id cannot keep root's ids");
  return { kind, uid, gid, size };
}

const known = { auto: ['size'], 'keep-id': ['uid', 'gid', 'size'] } as const;

function parseOptions(kind: 'auto' | 'keep-id', text: string): ReadonlyMap<string, number> {
  const options = new Map<string, number>();
  for (const part of text === '' ? [] : text.split(',')) {
    const equals = part.indexOf('=');
    const name = part.slice(0, Math.max(0, equals));
    const digits = part.slice(equals + 1);
    if (!(known[kind] as readonly string[]).includes(name)) {
      throw invalid(`invalid user namespace mode: ${kind}: unknown option ${JSON.stringify(part.slice(0, 50))}`);
    }
    if (!/^[0-9]{1,10}$/.test(digits) || Number(digits) > mostIds) {
      throw invalid(`invalid user namespace mode: ${kind}: ${name} must be a number of at most ${mostIds}`);
    }
    options.set(name, Number(digits));
  }
  return options;
}
