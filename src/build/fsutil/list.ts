import { invalid } from '../../base/errors.ts';
import type { Session } from '../session/session.ts';
import { decode } from '../wire/decode.ts';
import { packet, packetTypes } from '../wire/session.ts';
import { diffCopy } from './receive.ts';
import { encodeMetadata } from './metadata.ts';

/** A folder with more than these is not told of whole. */
const mostNames = 10_000;

/**
 * The paths in one folder of the client, below the folder that it calls `name`, as bytes of UTF-8, one char each; without any
 * content, and whatever a `.dockerignore` says. @throws EngineError
 */
export async function listFolder(
  session: Session,
  { name, folder, signal }: { readonly name: string; readonly folder: string; readonly signal: AbortSignal },
): Promise<string[]> {
  if (!session.methods.has(diffCopy)) throw invalid('no local sources enabled');
  const below = folder === '' ? '' : `${folder}/`;
  const metadata = {
    ...encodeMetadata('dir-name', [name]),
    ...encodeMetadata('include-patterns', [`${below}*`]),
    ...encodeMetadata('exclude-patterns', [`${below}*/*`]),
  };
  const call = session.client.call(diffCopy, { metadata, signal });
  const paths: string[] = [];
  for await (const batch of call.batches) {
    for (const message of batch) {
      const { type, stat } = decode(packet, message);
      if (type === packetTypes.stat && stat !== undefined && paths.length < mostNames) {
        paths.push(stat.path);
        continue;
      }
      call.cancel();
      return paths;
    }
  }
  return paths;
}
