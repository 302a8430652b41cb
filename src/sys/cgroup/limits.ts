/** Changing the limits of a cgroup that is in use. */
import { readFile, writeFile } from 'node:fs/promises';
import { conflict, EngineError, invalid } from '../../base/errors.ts';
import { systemCode } from '../ffi/errors.ts';
import { type CgroupLayout, controllerDirectory } from './layout.ts';

/** One line for one control file. */
export interface CgroupWrite {
  /** As `controllerDirectory` takes it. */
  readonly controller: string;
  readonly file: string;
  readonly value: string;
}

/**
 * Writes `writes` in their order. What the kernel refuses because it contradicts a limit that a later write changes
 * (memory above memory and swap together, a quota for another period) is tried again after the others. When one fails
 * for good, `undo` is written the same way, as far as it goes.
 * @throws conflict when the kernel cannot go so low now, invalid for a value that it does not take, unavailable when the
 * host has no such control file.
 */
export async function changeLimits(
  layout: CgroupLayout,
  path: string,
  writes: readonly CgroupWrite[],
  undo: readonly CgroupWrite[],
): Promise<void> {
  const failed = await writeAll(layout, path, writes);
  if (failed === undefined) return;
  await writeAll(layout, path, undo);
  throw failed;
}

async function writeAll(
  layout: CgroupLayout,
  path: string,
  writes: readonly CgroupWrite[],
): Promise<EngineError | undefined> {
  const again: CgroupWrite[] = [];
  for (const one of writes) {
    try {
      await writeOne(layout, path, one);
    } catch (error) {
      if (systemCode(error) !== 'EINVAL') return explained(layout, path, one, error);
      again.push(one);
    }
  }
  for (const one of again) {
    try {
      await writeOne(layout, path, one);
    } catch (error) {
      return explained(layout, path, one, error);
    }
  }
  return undefined;
}

const fileOf = (layout: CgroupLayout, path: string, { controller, file }: CgroupWrite): string => {
  const directory = controllerDirectory(layout, controller, path);
  if (directory === undefined) throw new EngineError('unavailable', `this host has no cgroup controller ${controller}`);
  return `${directory}/${file}`;
};

const writeOne = (layout: CgroupLayout, path: string, one: CgroupWrite): Promise<void> =>
  writeFile(fileOf(layout, path, one), one.value, { flag: 'r+' });

async function explained(layout: CgroupLayout, path: string, one: CgroupWrite, error: unknown): Promise<EngineError> {
  if (error instanceof EngineError) return error;
  const what = `unable to set ${one.file} to ${one.value}`;
  switch (systemCode(error)) {
    case 'EBUSY':
      return conflict(`${what}: it is in use${await usageOf(layout, path, one)}`);
    case 'EINVAL':
    case 'ERANGE':
    case 'EACCES':
      return invalid(`${what}: the kernel does not take this value`, error);
    case 'ENOENT':
      return new EngineError('unavailable', `${what}: this host has no such limit`, { cause: error });
    case 'ENODEV':
      return invalid(`${what}: no such device, or the container has ended`, error);
    default:
      return new EngineError('internal', `${what}: ${String(systemCode(error))}`, { cause: error });
  }
}

async function usageOf(layout: CgroupLayout, path: string, one: CgroupWrite): Promise<string> {
  if (one.controller !== 'memory') return '';
  const name = layout.kind === 'v2' ? 'memory.current' : 'memory.usage_in_bytes';
  const usage = await readFile(fileOf(layout, path, { ...one, file: name }), 'latin1').catch(() => '');
  return usage === '' ? '' : ` (current usage: ${usage.trim()})`;
}
