import { hash } from 'node:crypto';
import { digestOfHex } from '../base/ids.ts';
import type { Descriptor } from '../spec/oci/image.ts';

/** A manifest or configuration as the bytes that are stored. */
export const encodeDocument = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

/** What refers to a small document. */
export const describeBytes = (mediaType: string, bytes: Uint8Array): Descriptor => ({
  mediaType,
  digest: digestOfHex(hash('sha256', bytes, 'hex')),
  size: bytes.length,
});
