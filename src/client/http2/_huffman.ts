/** Lengths of the codes of all 256 bytes (RFC 7541, appendix B), 5 bits as `A`: the code is canonical, so they say all of it. */
const lengths =
  'ISXXXXXXXTZXXZXXXXXXXXZXXXXXXXXXBFFHIBDGFFDGDBBBAAABBBBBBBCDKBHF' +
  'IBCCCCCCCCCCCCCCCCCCCCCCDCDIOIJBKABABABBBACCBBBABCBAABCCCCCKGJIX' +
  'PRPPRRRSRSSSSSTSTTRSTSSSSQRSRSSTRQPRRSSQSRRTQRSSQQRQSRSSPRRRSRRS' +
  'VVPORSRUVVVWWVTUOQVWWVWTQQVVXWWWPTPQRQQSRRUUTTVSVWVVWWWWWXWWWWWV';
const longest = 30;

interface Row {
  /** The first code of this length, and the one behind the last. */
  readonly first: number;
  readonly end: number;
  /** Bytes with codes of this length, by their codes. */
  readonly bytes: readonly number[];
}

let table: readonly Row[] | undefined;

/** By length. A code is the one before plus one, with zeros behind it where it is longer. */
function rows(): readonly Row[] {
  if (table !== undefined) return table;
  const made: Row[] = [];
  let code = 0;
  for (let length = 0; length <= longest; length++) {
    const bytes = Array.from(lengths, (letter) => letter.charCodeAt(0) - 60)
      .map((own, byte) => (own === length ? byte : -1))
      .filter((byte) => byte >= 0);
    code *= 2;
    made.push({ first: code, end: code + bytes.length, bytes });
    code += bytes.length;
  }
  table = made;
  return made;
}

/** Bytes in the Huffman code of HPACK, as they were. @throws Error when they are none */
export function decodeHuffman(coded: Uint8Array): Uint8Array {
  const table = rows();
  const decoded: number[] = [];
  let code = 0;
  let length = 0;
  for (const byte of coded) {
    for (let bit = 7; bit >= 0; bit--) {
      code = code * 2 + ((byte >> bit) & 1);
      length++;
      const row = table[length];
      if (row === undefined) throw new Error('malformed header: no such code');
      if (code < row.first || code >= row.end) continue;
      decoded.push(row.bytes[code - row.first] ?? 0);
      code = 0;
      length = 0;
    }
  }
  // What is left fills the last byte: ones, fewer than eight.
  if (length > 7 || code !== 2 ** length - 1) throw new Error('malformed header: it ends inside a code');
  return Uint8Array.from(decoded);
}
