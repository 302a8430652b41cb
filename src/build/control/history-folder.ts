import { hash } from 'node:crypto';
import { mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { messageOf } from '../../base/errors.ts';
import { readBuild, type StoredBuild } from './history-file.ts';

const suffix = '.build';
const pinSuffix = '.pinned';

/** A ref is a client's: it names no file itself. */
export const nameOf = (ref: string): string => hash('sha256', ref, 'hex');

/** The file of a build, by its name. */
export const pathIn = (directory: string, name: string): string => `${directory}/${name}${suffix}`;

export interface FoundBuild {
  readonly name: string;
  readonly ref: string;
  readonly size: number;
  readonly pinned: boolean;
  readonly stored: StoredBuild;
}

export interface FoundBuilds {
  /** The oldest one first. */
  readonly builds: readonly FoundBuild[];
  /** Files that cannot be understood, by their names without their end. */
  readonly unread: readonly { readonly name: string; readonly size: number; readonly reason: string }[];
}

/** Reads what is there; the folder is made when it is not, and what a kill has left half written goes. */
export async function readHistory(directory: string): Promise<FoundBuilds> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const names = await readdir(directory);
  const pins = new Set(names.filter((name) => name.endsWith(pinSuffix)));
  const found: (FoundBuild & { readonly at: number })[] = [];
  const unread: { name: string; size: number; reason: string }[] = [];
  for (const file of names) {
    if (file.endsWith('.part')) await rm(`${directory}/${file}`, { force: true });
    if (!file.endsWith(suffix)) continue;
    const name = file.slice(0, -suffix.length);
    const { size } = await stat(`${directory}/${file}`);
    try {
      const { stored } = await readBuild(`${directory}/${file}`);
      const { ref = '', completedAt } = stored.record ?? {};
      if (nameOf(ref) !== name) throw new Error('it is of another build');
      const at = (completedAt?.seconds ?? 0) * 1000 + (completedAt?.nanos ?? 0) / 1e6;
      found.push({ name, ref, size, pinned: pins.has(`${name}${pinSuffix}`), stored, at });
    } catch (error) {
      unread.push({ name, size, reason: messageOf(error) });
    }
  }
  return { builds: found.sort((a, b) => a.at - b.at), unread };
}

export async function removeBuild(directory: string, name: string): Promise<void> {
  for (const end of [suffix, pinSuffix]) await rm(`${directory}/${name}${end}`, { force: true });
}

/** Resolves when it is durable. */
export async function markPinned(directory: string, name: string, pinned: boolean): Promise<void> {
  const path = `${directory}/${name}${pinSuffix}`;
  if (!pinned) return rm(path, { force: true });
  const file = await open(path, 'w', 0o600);
  await file.close();
  const folder = await open(directory, 'r');
  await folder.sync().finally(() => folder.close());
}
