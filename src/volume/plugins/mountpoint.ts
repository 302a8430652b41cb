import { internal } from '../../base/errors.ts';
import { mountSources } from '../../sys/mount/mount.ts';

const isBelow = (path: string, folder: string): boolean => path === folder || path.startsWith(`${folder}/`);

/**
 * What a plugin names as the place of a volume must be a directory of the host, and none through which a container would
 * get at the engine's own files (`own`: absolute paths).
 * @throws EngineError `internal` naming what is wrong
 */
export async function checkMountpoint(path: string, own: readonly string[]): Promise<void> {
  const fault = (what: string) =>
    internal(`the plugin gave ${JSON.stringify(path.slice(0, 300))} as mountpoint: ${what}`);
  if (!path.startsWith('/') || path.includes('\0') || path.length > 4095) throw fault('an absolute path is expected');
  if (path.split('/').includes('..')) throw fault('it has .. in it');
  const plain = path.replace(/\/+/g, '/').replace(/\/$/, '');
  if (plain === '') throw fault('that is all of the host');
  for (const folder of own) {
    if (isBelow(plain, folder) || isBelow(folder, plain)) throw fault("the engine's own files are there");
  }
  const [found] = await mountSources([path]);
  if (found?.kind !== 'directory') throw fault('it is no directory');
}
