import { crc32 } from 'node:zlib';

/** One row of the table `records`, its text as bytes: a flipped bit need not leave valid UTF-8. */
export interface RawRecord {
  readonly kind: string;
  readonly id: string;
  readonly crc: number;
  readonly json: Uint8Array;
}

const separator = '\0';

/** The bytes that a record's checksum is over: since record version 2 its key is among them. */
const summed = (version: number, { kind, id, json }: Pick<RawRecord, 'kind' | 'id' | 'json'>): Buffer =>
  version === 1 ? Buffer.from(json) : Buffer.concat([Buffer.from(kind + separator + id + separator), json]);

/** CRC-32 of a record as it is written with `version`: SQLite has no checksums of its own. */
export const recordSum = (
  version: number,
  { kind, id, json }: { readonly kind: string; readonly id: string; readonly json: string | Uint8Array },
): number => (version === 1 ? crc32(json) : crc32(json, crc32(kind + separator + id + separator)));

/** Bytes: finding the place takes as many steps, some milliseconds for so many. */
const largestMended = 1 << 20;

const polynomial = 0xedb8_8320;

/** `table[t]` is the highest byte's effect on the register, as in every table-driven CRC-32. */
const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let register = byte;
  for (let bit = 0; bit < 8; bit++) register = register & 1 ? (register >>> 1) ^ polynomial : register >>> 1;
  return register >>> 0;
});

/**
 * The record as it was before one bit of its key, its text or its checksum changed; undefined when that is not what
 * happened. A CRC is linear: what one flipped bit does to it depends on its place alone, and no two places of a record
 * do the same, so that the difference of the checksums tells the place. Of records that were damaged otherwise one in
 * 2^32 / bits has a difference that looks so too: for a record of 4 KiB one in 130,000, and its text must be JSON still.
 */
export function mendOneBit(version: number, record: RawRecord): RawRecord | undefined {
  if (record.json.length > largestMended) return undefined;
  const bytes = summed(version, record);
  const difference = (crc32(bytes) ^ record.crc) >>> 0;
  if (difference === 0) return undefined;
  if ((difference & (difference - 1)) === 0) return { ...record, crc: crc32(bytes) };
  const at = placeOf(difference, bytes.length);
  if (at === undefined) return undefined;
  bytes[at.byte] = (bytes[at.byte] ?? 0) ^ (1 << at.bit);
  return split(version, record, bytes);
}

/** Where a bit must have changed for the checksum to differ so. */
function placeOf(difference: number, length: number): { byte: number; bit: number } | undefined {
  // What each bit of a byte does to the register, from the last byte backwards: one step of the register a byte.
  const effects = Uint32Array.from({ length: 8 }, (_, bit) => table[1 << bit] ?? 0);
  for (let byte = length - 1; byte >= 0; byte--) {
    for (let bit = 0; bit < 8; bit++) {
      const effect = effects[bit] ?? 0;
      if (effect === difference) return { byte, bit };
      effects[bit] = ((table[effect & 0xff] ?? 0) ^ (effect >>> 8)) >>> 0;
    }
  }
  return undefined;
}

function split(version: number, { kind, id, crc, json }: RawRecord, bytes: Buffer): RawRecord | undefined {
  if (version === 1) return { kind, id, crc, json: bytes };
  const [first, second] = [bytes.indexOf(0), bytes.indexOf(0, bytes.indexOf(0) + 1)];
  if (second < 0 || second !== bytes.length - json.length - 1) return undefined;
  return {
    kind: bytes.toString('utf8', 0, first),
    id: bytes.toString('utf8', first + 1, second),
    crc,
    json: bytes.subarray(second + 1),
  };
}
