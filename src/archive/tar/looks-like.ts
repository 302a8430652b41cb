/** So many bytes of the beginning say whether it is an archive. */
export const archiveHeadBytes = 512;
/** gzip, bzip2, xz, zstd. */
const magics = ['1f8b', '425a68', 'fd377a585a00', '28b52ffd'];

/** Whether something that begins so is an archive: compressed, or a tar by the checksum of its first header. */
export function looksLikeArchive(head: Buffer): boolean {
  if (magics.some((magic) => head.toString('hex', 0, magic.length / 2) === magic)) return true;
  if (head.length < archiveHeadBytes) return false;
  const told = head
    .toString('latin1', 148, 156)
    .replace(/[\0 ]+$/, '')
    .trim();
  let sum = 0;
  for (let at = 0; at < archiveHeadBytes; at++) sum += at >= 148 && at < 156 ? 0x20 : (head[at] ?? 0);
  return /^[0-7]+$/.test(told) && Number.parseInt(told, 8) === sum;
}
