import { Scope } from '../../base/scope.ts';
import type { ByteStream } from '../../base/stream.ts';
import type { SocketBody } from '../../spec/contract/files.ts';
import type { CommitRequest } from '../../spec/engine/commit.ts';
import type { ContainerContext } from '../context.ts';
import { exportRoot, extractTo, type ExtractWishes, packPath, statPath } from '../files/archive.ts';
import { commitContainer } from '../files/commit.ts';
import { engineTargets } from '../start/apply.ts';

/** The files of containers, running or not. */
export function fileOperations(ctx: ContainerContext) {
  const find = (name: string) => ({ entry: ctx.table.find(name), name });
  return {
    changes: async (name: string) => {
      await using scope = new Scope();
      const { layers } = await scope.acquire(ctx.snapshots.use(find(name).entry.id, engineTargets), (use) =>
        use.release(),
      );
      return await ctx.files.changes(layers);
    },
    commit: async (name: string, request: CommitRequest, signal: AbortSignal) =>
      commitContainer(ctx, find(name).entry, request, signal),
    export: async (name: string, signal: AbortSignal) => exportRoot(ctx, find(name).entry, signal),
    statPath: async (name: string, path: string) => statPath(ctx, find(name), path),
    packPath: async (name: string, path: string, signal: AbortSignal) => packPath(ctx, find(name), path, signal),
    extractTo: async (
      name: string,
      path: string,
      archive: ByteStream | SocketBody,
      wishes: ExtractWishes,
      signal: AbortSignal,
    ) => extractTo(ctx, find(name), path, archive, wishes, signal),
  };
}
