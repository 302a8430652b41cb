import { EngineError } from '../../base/errors.ts';
import { unlockDirectories } from '../../sys/disk/mounted.ts';
import { systemCode } from '../../sys/ffi/errors.ts';
import { bindMount, unmountAndRemove } from '../../sys/mount/mount.ts';
import { beginEncrypted, lackOfGocryptfs, mountEncrypted } from './gocryptfs.ts';
import type { Encryption } from './key-file.ts';
import { dataOf, mountWhole, partsOf, withWhole } from './parts.ts';

/** A way to encrypt what a disk holds. Keys stay the caller's, and may be overwritten. */
interface Way {
  /** Whether directories of its ext4 may be encrypted by the kernel. */
  readonly inKernel: boolean;
  /** From now on what is written to `data`, empty, is encrypted. @throws unavailable where this host cannot do it. */
  begin(whole: string, key: Buffer): Promise<void>;
  /** Mounts what the disk of a directory holds at its `_data`. @throws unavailable. */
  mount(directory: string, key: Buffer): Promise<void>;
}

export const ways: Readonly<Record<Encryption, Way>> = {
  fscrypt: {
    inKernel: true,
    begin: (whole, key) => unlock(whole, key, dataOf(whole)),
    mount: (directory, key) =>
      withWhole(directory, async (whole) => {
        await unlock(whole, key);
        await bindMount(dataOf(whole), partsOf(directory).data);
      }),
  },
  gocryptfs: {
    inKernel: false,
    begin: (whole, key) => beginEncrypted(dataOf(whole), key),
    async mount(directory, key) {
      const { encrypted, data } = partsOf(directory);
      await mountWhole(directory, encrypted);
      try {
        await mountEncrypted(dataOf(encrypted), data, key);
      } catch (error) {
        await unmountAndRemove(encrypted);
        throw error;
      }
    },
  },
};

async function unlock(whole: string, key: Buffer, encrypt?: string): Promise<void> {
  try {
    await unlockDirectories(whole, key, encrypt);
  } catch (error) {
    const code = systemCode(error);
    if (code !== 'EOPNOTSUPP' && code !== 'ENOTSUP' && code !== 'ENOTTY') throw error;
    throw new EngineError(
      'unavailable',
      'encryption by fscrypt needs a kernel that has it for ext4 (CONFIG_FS_ENCRYPTION, Linux 5.4)',
      { cause: error },
    );
  }
}

/** Says that a volume cannot be encrypted at all: why the kernel cannot, and what to install instead. */
export function noEncryption(error: unknown): unknown {
  const lack = lackOfGocryptfs();
  if (!(error instanceof EngineError) || lack === undefined) return error;
  return new EngineError('unavailable', `${error.message}, or gocryptfs, and ${lack}`, { cause: error });
}
