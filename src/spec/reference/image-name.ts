import { type Digest, digestOfHex, isHex64, tryDigest } from '../../base/ids.ts';
import { EngineError } from '../../base/errors.ts';
import { parseReference, type Reference } from './reference.ts';

/**
 * What `{name}` may mean in an operation on an image. A short text can be both a repository and the beginning of an
 * id (`cafe`, `deadbeef`): the name wins where one exists, as in Docker.
 */
export interface ImageNameQuery {
  /** The text is a whole id, with or without `sha256:`. */
  readonly id?: Digest;
  /** Lower-case hex digits an id may begin with. */
  readonly idPrefix?: string;
  readonly reference?: Reference;
}

const longestName = 4096;

const isHexPrefix = (text: string): boolean => {
  if (text === '' || text.length > 64) return false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (!((code >= 48 && code <= 57) || (code >= 97 && code <= 102))) return false;
  }
  return true;
};

/**
 * Reads the name of an image as users and clients write it. @throws EngineError `invalid` (`invalid reference format`)
 * when it can be neither an id nor a name.
 */
export function parseImageName(text: string): ImageNameQuery {
  if (text.length > longestName) throw new EngineError('invalid', 'invalid reference format');
  const id = isHex64(text) ? digestOfHex(text) : tryDigest(text);
  if (id !== undefined) return { id };
  if (text.startsWith('sha256:') && isHexPrefix(text.slice(7))) return { idPrefix: text.slice(7) };
  const reference = parseReference(text);
  return isHexPrefix(text) ? { idPrefix: text, reference } : { reference };
}
