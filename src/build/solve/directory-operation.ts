import { writeTar } from '../../archive/tar/write.ts';
import { copyMembers } from './copy.ts';
import type { BuiltRoot, OperationScope } from './scope.ts';
import { findOwner } from './owner.ts';
import type { CopiedSource } from './source.ts';

const nothing: CopiedSource = { name: '', isDirectory: true, async *members() {} };

/** WORKDIR: makes a directory, and those above it, where they are missing. */
export function makeDirectory(
  { base, cached, onView, input, ports }: OperationScope,
  wanted: { readonly path: string; readonly mode: number; readonly user?: string },
): Promise<BuiltRoot> {
  return cached(['directory', base.key, wanted], () =>
    onView(base, async (view) => {
      const owner = wanted.user === undefined ? undefined : await findOwner(view, wanted.user, () => undefined);
      const time = Number(ports.clock.nowNs() / 1_000_000_000n);
      const wishes = { destination: `${wanted.path}/`, owner, mode: { bits: wanted.mode }, time, onlyNew: true };
      return input.content.storeLayer(writeTar(copyMembers(view, [{ source: nothing, wishes }])), input.signal);
    }),
  );
}
