import { basename, dirname, join } from 'node:path';
import { readFileSync, statSync } from 'node:fs';
import { lockAttributes, type LockMode } from '../../build/lock/lock.ts';
import { parseLock } from '../../build/lock/lock-file.ts';
import { messageOf } from '../../base/errors.ts';
import { CliError } from '../errors.ts';
import { writeResult } from './_results.ts';

export interface LockFlags {
  readonly file: string;
  readonly lock: string;
  readonly locked: boolean;
  readonly 'lock-update': boolean;
}

/** The file that says what the sources of a build are, and what it is for. */
export interface Lock {
  readonly path: string;
  readonly mode: LockMode;
  readonly attributes: ReadonlyMap<string, string>;
}

/** What `--lock`, `--locked` and `--lock-update` mean; undefined without any. @throws CliError, EngineError `invalid` */
export function lockOf(context: string, flags: LockFlags): Lock | undefined {
  const { lock, locked, 'lock-update': update } = flags;
  if (lock === '' && !locked && !update) return undefined;
  if (locked && update) throw new CliError('--locked and --lock-update exclude each other');
  const path = lock === '' ? besideDockerfile(context, flags.file) : lock;
  const mode = locked ? 'locked' : update ? 'renew' : 'update';
  const text = textOf(path);
  if (text === undefined && locked) throw new CliError(`--locked: ${path} is not there: --lock=${path} makes it`);
  // What cannot be read is not written over, either.
  if (text !== undefined) parseLock(text, path);
  const attributes = new Map([
    [lockAttributes.mode, mode],
    [lockAttributes.text, text?.toString() ?? ''],
    [lockAttributes.name, path],
  ]);
  return { path, mode, attributes };
}

function besideDockerfile(context: string, file: string): string {
  const isFolder = statSync(context, { throwIfNoEntry: false })?.isDirectory() ?? false;
  if (file === '-' || (file === '' && !isFolder)) {
    throw new CliError('--locked and --lock-update need --lock=FILE where the Dockerfile is no file of this machine');
  }
  const path = file === '' ? join(context, 'Dockerfile') : file;
  return join(dirname(path), `${basename(path)}.lock`);
}

function textOf(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return undefined;
    throw new CliError(`failed to read the lock: ${messageOf(error)}`);
  }
}

/** Writes the lock as it is after the build, if that changed it. @throws CliError */
export function finishLock({ path, mode, attributes }: Lock, response: ReadonlyMap<string, string>): void {
  const told = response.get(lockAttributes.text);
  if (mode === 'locked' || told === undefined) return;
  const text = Buffer.from(told, 'base64').toString();
  if (text !== attributes.get(lockAttributes.text)) writeResult(path, text);
}
