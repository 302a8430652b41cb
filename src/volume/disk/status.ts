import { dirname } from 'node:path';
import type { Volume } from '../../spec/contract/storage.ts';
import { diskOf } from '../options.ts';
import { encryptionOfDisk, takenByDisk } from './disk.ts';

/** What inspect says of a volume that is a file system of its own: bytes that it may hold and takes on the disk, its encryption. */
export async function diskStatus(volume: Volume): Promise<{ Status?: Record<string, unknown> }> {
  const disk = diskOf(volume);
  if (disk === undefined) return {};
  const directory = dirname(volume.mountpoint);
  return {
    Status: {
      ...(disk.limit === undefined ? {} : { Limit: disk.limit }),
      Taken: await takenByDisk(directory),
      ...(disk.key === undefined ? {} : { Encryption: await encryptionOfDisk(directory) }),
    },
  };
}
