import { EngineError } from '../../base/errors.ts';
import type { IdMapping } from '../../spec/contract/user-namespace.ts';
import { systemCode } from '../../sys/ffi/errors.ts';
import { userNamespaces } from '../../sys/namespace/user.ts';

/**
 * Calls `mount` with a user namespace of these ids, which need not live longer than the call.
 * @throws unavailable with the text `lacks` when the kernel or a file system refuses
 */
export async function withOwners(
  ids: IdMapping | undefined,
  lacks: string,
  mount: (userNamespace: number | undefined) => Promise<void>,
): Promise<void> {
  if (ids === undefined) return mount(undefined);
  const namespace = await userNamespaces.create(ids);
  try {
    await mount(namespace.descriptor);
  } catch (error) {
    if (systemCode(error) !== 'EINVAL' && systemCode(error) !== 'EPERM') throw error;
    throw new EngineError('unavailable', lacks, { cause: error });
  } finally {
    namespace.close();
  }
}
