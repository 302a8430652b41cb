import { invalid } from '../../base/errors.ts';
import { parseDigest } from '../../base/ids.ts';
import type { BlobPlace } from '../../spec/contract/build.ts';
import { parseReference } from '../../spec/reference/reference.ts';
import type { Logins } from '../frontend/base-image.ts';
import { clientStore } from '../session/content-store.ts';
import type { Session } from '../session/session.ts';
import { missing } from '../solve/keys.ts';
import type { SolvePorts } from '../solve/ports.ts';

/** What a client says of one cache: `registry` with `ref`, `local` with `src` or `dest`. */
export interface CacheWish {
  readonly type: string;
  readonly attributes: ReadonlyMap<string, string>;
}

/** Who looks for it. */
export interface CacheFinder {
  readonly ports: Pick<SolvePorts, 'images'>;
  /** Undefined for a build without one. */
  readonly session: Session | undefined;
  readonly logins: Logins;
  readonly signal: AbortSignal;
}

/** Where a cache is. @throws EngineError `invalid` without its place; not-implemented for a kind that is not known */
export async function placeOf({ ports, session, logins, signal }: CacheFinder, wish: CacheWish): Promise<BlobPlace> {
  const { type, attributes } = wish;
  if (type === 'registry') {
    const reference = parseReference(attributes.get('ref') ?? '');
    const auth = await logins(reference.domain, signal);
    return ports.images.repository(attributes.get('ref') ?? '', auth);
  }
  if (type !== 'local') throw missing(`a build cache of the type ${JSON.stringify(type)}`);
  const folder = attributes.get('dest') || attributes.get('src') || '';
  if (folder === '') throw invalid('a local build cache needs its folder: src to read it, dest to write it');
  if (session === undefined) throw invalid("a local build cache needs a session: its folder is the client's");
  const digest = attributes.get('digest') ?? '';
  return clientStore(session, `local:${folder}`, digest === '' ? undefined : parseDigest(digest));
}

/** How it is shown. */
export const shownCache = ({ type, attributes }: CacheWish): string =>
  type === 'registry'
    ? (attributes.get('ref') ?? '')
    : `${type}:${attributes.get('digest') || attributes.get('src') || attributes.get('dest') || ''}`;
