import { dirname } from 'node:path';
import type { Volume } from '../../spec/contract/storage.ts';
import { diskOf } from '../options.ts';
import { takenByDisk } from './disk.ts';

/** What inspect says of a volume that is a file system of its own: bytes that it may hold and takes on the disk, its encryption. */
export async function diskStatus(volume: Volume): Promise<{ Status?: Record<string, unknown> }> {
  const disk = diskOf(volume);
  if (disk === undefined) return {};
  return {
    Status: {
      ...(disk.limit === undefined ? {} : { Limit: disk.limit }),
      Taken: await takenByDisk(dirname(volume.mountpoint)),
      ...(disk.key === undefined ? {} : { Encryption: 'fscrypt' }),
    },
  };
}
