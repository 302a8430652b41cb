import type { TarEntryType } from '../../archive/tar/entry.ts';

/** Bits of Go's os.FileMode, which fsutil sends modes in. */
const goModes = {
  directory: 0x8000_0000,
  symlink: 0x0800_0000,
  device: 0x0400_0000,
  fifo: 0x0200_0000,
  socket: 0x0100_0000,
  setuid: 0x0080_0000,
  setgid: 0x0040_0000,
  char: 0x0020_0000,
  sticky: 0x0010_0000,
} as const;

const has = (mode: number, bit: number): boolean => (mode & bit) !== 0;

/** Undefined for a socket, and for kinds that Linux has not. */
export function typeOfGoMode(mode: number): Exclude<TarEntryType, 'hardlink'> | undefined {
  if (has(mode, goModes.directory)) return 'directory';
  if (has(mode, goModes.symlink)) return 'symlink';
  if (has(mode, goModes.device)) return has(mode, goModes.char) ? 'char' : 'block';
  if (has(mode, goModes.fifo)) return 'fifo';
  if (has(mode, goModes.socket)) return undefined;
  return 'file';
}

/** Permission bits, set-id and sticky bits as stat(2) has them. */
export const permissionsOfGoMode = (mode: number): number =>
  (mode & 0o777) |
  (has(mode, goModes.setuid) ? 0o4000 : 0) |
  (has(mode, goModes.setgid) ? 0o2000 : 0) |
  (has(mode, goModes.sticky) ? 0o1000 : 0);

/** A mode as stat(2) has it, as fsutil sends it. */
export function goModeOf(mode: number): number {
  const kind = mode & 0o170000;
  let bits = mode & 0o777;
  if (kind === 0o040000) bits += goModes.directory;
  else if (kind === 0o120000) bits += goModes.symlink;
  else if (kind === 0o010000) bits += goModes.fifo;
  else if (kind === 0o060000) bits += goModes.device;
  else if (kind === 0o020000) bits += goModes.device + goModes.char;
  if ((mode & 0o4000) !== 0) bits += goModes.setuid;
  if ((mode & 0o2000) !== 0) bits += goModes.setgid;
  if ((mode & 0o1000) !== 0) bits += goModes.sticky;
  return bits;
}
