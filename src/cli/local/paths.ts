import { readlinkSync, statSync, lstatSync, type Stats } from 'node:fs';
import { dirname, isAbsolute, resolve } from 'node:path';
import { CliError } from '../errors.ts';

/** One side of a copy: what is at a path, as far as it decides where things go. */
export interface CopyPoint {
  /** With the slash or `/.` that it was written with. */
  readonly path: string;
  readonly exists: boolean;
  readonly isDirectory: boolean;
  /** What the last name is to be instead, where a link was followed. */
  readonly rebase?: string;
}

/** `CONTAINER:PATH`, or a local path: absolute ones and those that begin with a dot are always local. */
export function splitArgument(argument: string): { readonly container: string; readonly path: string } {
  const colon = argument.indexOf(':');
  const isLocal = isAbsolute(argument) || colon < 0 || argument.startsWith('.');
  if (isLocal) return { container: '', path: argument };
  return { container: argument.slice(0, colon), path: argument.slice(colon + 1) };
}

/** Whether a path says of itself that it is a directory: by a slash or `/.` at its end. */
export const assertsDirectory = (path: string): boolean => path.endsWith('/') || path === '.' || path.endsWith('/.');

/** Directory and last name of a path, without the ending that makes it a directory. */
export function splitEntry(path: string): { readonly directory: string; readonly base: string } {
  const clean = cleanLocal(path);
  if (path === '.' || path.endsWith('/.')) return { directory: clean, base: '.' };
  const slash = clean.lastIndexOf('/');
  if (clean === '/') return { directory: '/', base: '/' };
  return { directory: clean.slice(0, slash) || (slash === 0 ? '/' : '.'), base: clean.slice(slash + 1) };
}

/** A path without `.`, doubled slashes and, as far as that goes, `..`. */
export function cleanLocal(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..' && parts.length > 0 && parts.at(-1) !== '..') parts.pop();
    else if (part === '..' && path.startsWith('/')) continue;
    else if (part !== '' && part !== '.') parts.push(part);
  }
  const joined = parts.join('/');
  return path.startsWith('/') ? `/${joined}` : joined || '.';
}

/** A clean path that keeps the slash or `/.` of the original. */
export function keepEnding(clean: string, original: string): string {
  if (original === '.' || original.endsWith('/.')) return clean.endsWith('/') ? `${clean}.` : `${clean}/.`;
  return original.endsWith('/') && !clean.endsWith('/') ? `${clean}/` : clean;
}

/** The absolute form of a local path, its ending kept. */
export const absoluteLocal = (path: string): string => keepEnding(resolve(path), path);

/** What a copy out of a local path is of. A link is copied itself, unless it is to be followed. */
export function sourcePoint(path: string, follow: boolean): CopyPoint {
  const seen = follow ? look(statSync, path) : look(lstatSync, assertsDirectory(path) ? path : cleanLocal(path));
  if (seen === undefined) throw new CliError(`lstat ${cleanLocal(path)}: no such file or directory`);
  if (!follow || !isLink(path)) return { path, exists: true, isDirectory: seen.isDirectory() };
  return { path, exists: true, isDirectory: seen.isDirectory(), rebase: splitEntry(path).base };
}

const isLink = (path: string): boolean => look(lstatSync, cleanLocal(path))?.isSymbolicLink() === true;

function look(stat: (path: string) => Stats, path: string): Stats | undefined {
  try {
    return stat(path);
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === 'ENOENT') return undefined;
    if (code === 'ENOTDIR') throw new CliError(`lstat ${path}: not a directory`);
    throw error;
  }
}

const mostLinks = 10;

/** Where a copy to a local path goes; links at its end are followed. */
export function targetPoint(original: string): CopyPoint {
  let path = original;
  for (let links = 0; ; links++) {
    const seen = look(lstatSync, cleanLocal(path));
    if (seen === undefined) return { path, exists: false, isDirectory: false };
    if (!seen.isSymbolicLink()) return { path, exists: true, isDirectory: seen.isDirectory() };
    if (links >= mostLinks) throw new CliError(`too many symlinks in ${original}`);
    path = resolve(dirname(cleanLocal(path)), readlinkSync(cleanLocal(path)));
  }
}

/** Refuses targets that are no place for files. @throws CliError in docker's words. */
export function checkTarget(path: string): void {
  const parent = dirname(cleanLocal(path));
  if (parent !== '' && parent !== '.' && look(statSync, parent) === undefined) {
    throw new CliError(`invalid output path: directory ${JSON.stringify(parent)} does not exist`);
  }
  const seen = look(statSync, cleanLocal(path));
  if (seen?.isCharacterDevice() === true || seen?.isBlockDevice() === true) {
    throw new CliError(
      `invalid output path: ${JSON.stringify(path)} must be a directory or a regular file: got a device`,
    );
  }
  if (seen?.isFIFO() === true || seen?.isSocket() === true) {
    throw new CliError(
      `invalid output path: ${JSON.stringify(path)} must be a directory or a regular file: got an irregular file`,
    );
  }
}

/** Where an archive of the source is unpacked. */
export interface CopyPlan {
  readonly directory: string;
  /** What its first member is to be called; undefined leaves its name. */
  readonly name: string | undefined;
}

/**
 * docker's rules: into a directory that exists the source goes under its own name; what does not exist, or is a file,
 * gives the source its name. @throws CliError where that contradicts what is there.
 */
export function planCopy(source: CopyPoint, target: CopyPoint): CopyPlan {
  if (target.exists && target.isDirectory) return { directory: target.path, name: undefined };
  if (target.exists && source.isDirectory) throw new CliError('cannot copy directory');
  if (!target.exists && !source.isDirectory && assertsDirectory(target.path)) throw new CliError('no such directory');
  const { directory, base } = splitEntry(target.path);
  return { directory, name: base };
}
