import { EngineError } from '../../base/errors.ts';
import { type ByteString, quoteName } from '../tar/entry.ts';

/** What `.wh..wh..opq` stands for: the directory hides all that layers below have in it. */
export const opaqueMarker = Symbol('opaque');

const prefix = '.wh.';
const metaPrefix = '.wh..wh.';

/**
 * The name that a whiteout hides, `opaqueMarker`, or undefined for an ordinary name. Other names that begin with
 * `.wh..wh.` are AUFS's own bookkeeping in very old images: they give '' and mean nothing.
 * `member` is the whole name, for the error. @throws EngineError `invalid` for whiteouts of nothing, `.` or `..`.
 */
export function readWhiteout(name: ByteString, member: ByteString): ByteString | typeof opaqueMarker | undefined {
  if (!name.startsWith(prefix)) return undefined;
  if (name === '.wh..wh..opq') return opaqueMarker;
  if (name.startsWith(metaPrefix)) return '';
  const hidden = name.slice(prefix.length);
  if (hidden === '' || hidden === '.' || hidden === '..') {
    throw new EngineError('invalid', `${quoteName(member)} is not a valid whiteout`);
  }
  return hidden;
}
