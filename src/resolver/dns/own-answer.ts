import type { NamedEndpoint } from '../../spec/resolver/names.ts';
import { addressAnswer, canBeWritten, emptyAnswer, pointerAnswer } from './answer.ts';
import { addressOfReverse, type NameBook } from './names.ts';
import { type Query, recordType, responseCode } from './query.ts';

/**
 * What the containers' own names come to for somebody on these networks, in at most `limit` bytes; undefined when the
 * question is not about any. Valid until the next answer.
 */
export function ownAnswer(
  book: NameBook,
  endpoints: readonly NamedEndpoint[],
  query: Query,
  limit: number,
): Buffer | undefined {
  if (!query.isInternet) return undefined;
  const find = (family: 4 | 6): Uint8Array[] | undefined => book.resolve(endpoints, query.name, family);
  switch (query.type) {
    case recordType.A:
    case recordType.AAAA: {
      const found = find(query.type === recordType.A ? 4 : 6);
      return found === undefined ? undefined : addressAnswer(query, shuffled(found), limit);
    }
    // A container's mail goes to its address (RFC 5321, section 5.1).
    case recordType.MX:
      return find(4) === undefined ? undefined : emptyAnswer(query);
    case recordType.PTR: {
      const address = addressOfReverse(query.name);
      const name = address === undefined ? undefined : book.reverse(endpoints, address);
      if (name === undefined) return undefined;
      return canBeWritten(name) ? pointerAnswer(query, name) : emptyAnswer(query, responseCode.serverFailure);
    }
    default:
      return undefined;
  }
}

/** Clients take the first: so each container of a name gets its share. */
function shuffled(addresses: Uint8Array[]): Uint8Array[] {
  for (let last = addresses.length - 1; last > 0; last--) {
    const other = Math.floor(Math.random() * (last + 1));
    const [one, two] = [addresses[last], addresses[other]];
    if (one !== undefined && two !== undefined) [addresses[last], addresses[other]] = [two, one];
  }
  return addresses;
}
