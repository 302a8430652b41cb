const hexLengths: Readonly<Record<string, number>> = { sha256: 64, sha384: 96, sha512: 128 };

/** What a checksum of a file may look like, for people. */
export const checksumForms = 'sha256:, sha384: or sha512: and 64, 96 or 128 lower-case hex digits';

/** Whether a text is the digest of a file: `sha256:`, `sha384:` or `sha512:`, and hex. */
export function isChecksum(text: string): boolean {
  const [algorithm = '', hex = ''] = text.split(':', 2);
  const digits = Object.hasOwn(hexLengths, algorithm) ? hexLengths[algorithm] : undefined;
  return digits !== undefined && text.length === algorithm.length + 1 + digits && /^[0-9a-f]+$/.test(hex);
}
