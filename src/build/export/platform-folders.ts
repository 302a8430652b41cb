import { plainEntry, type TarEntry } from '../../archive/tar/entry.ts';
import { conflict } from '../../base/errors.ts';
import type { ByteStream } from '../../base/stream.ts';
import type { SentFolder } from '../fsutil/send.ts';
import { bytesOf, textOf } from '../solve/source.ts';

/** Files of one platform. */
export interface PlatformFolder {
  /** `linux/arm/v7`. */
  readonly platform: string;
  readonly folder: SentFolder;
}

/** What the folder of a platform is called: `linux_arm_v7`. */
export const folderName = (platform: string): string => platform.replaceAll('/', '_');

/** The files of all platforms, each below a folder of its own, whose time (seconds since 1970) is given. */
export function belowPlatforms(folders: readonly PlatformFolder[], time: number): SentFolder {
  const named = folders.map(({ platform, folder }) => ({ name: bytesOf(folderName(platform)), folder }));
  const sorted = named.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return async function* members() {
    for (const { name, folder } of sorted) {
      const directory = plainEntry('directory', `${name}/`, { size: 0, mode: 0o755 });
      yield { entry: { ...directory, mtime: time }, body: nothing() };
      for await (const { entry, body } of folder()) yield { entry: below(name, entry), body };
    }
  };
}

const below = (name: string, entry: TarEntry): TarEntry => ({
  ...entry,
  name: `${name}/${entry.name.replace(/^\.?\/+/, '')}`,
  ...(entry.type === 'hardlink' ? { linkName: `${name}/${entry.linkName.replace(/^\.?\/+/, '')}` } : {}),
});

async function* nothing(): ByteStream {}

/** Files of several platforms that are to lie in one folder. @throws conflict for a file that two of them have */
export async function checkDisjoint(folders: readonly PlatformFolder[]): Promise<void> {
  const owners = new Map<string, string>();
  for (const { platform, folder } of folders) {
    for await (const { entry } of folder()) {
      if (entry.type === 'directory') continue;
      const owner = owners.get(entry.name);
      if (owner !== undefined) {
        const name = textOf(entry.name);
        throw conflict(`cannot overwrite ${name} from ${owner} with ${platform} when split option is disabled`);
      }
      owners.set(entry.name, platform);
    }
  }
}
