import { CliError } from '../errors.ts';

/** The header of an answer that says what is at a path in a container. */
export const statHeader = 'x-docker-container-path-stat';

export interface PathStat {
  /** Go's os.FileMode. */
  readonly mode: number;
  readonly linkTarget: string;
}

/** Reads the header: JSON in base64. @throws CliError */
export function readPathStat(header: string): PathStat {
  try {
    const value = JSON.parse(Buffer.from(header, 'base64').toString()) as Partial<PathStat>;
    return { mode: Number(value.mode ?? 0), linkTarget: String(value.linkTarget ?? '') };
  } catch {
    throw new CliError('unable to decode container path stat header');
  }
}

const hasBit = (mode: number, bit: number): boolean => Math.floor(mode / 2 ** bit) % 2 === 1;
export const isDirectoryMode = (mode: number): boolean => hasBit(mode, 31);
export const isLinkMode = (mode: number): boolean => hasBit(mode, 27);
/** Neither a device, nor a pipe, nor a socket. */
export const isPlainMode = (mode: number): boolean => ![26, 25, 24].some((bit) => hasBit(mode, bit));
