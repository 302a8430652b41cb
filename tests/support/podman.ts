import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestEngine } from './engine.ts';
import { must } from './run.ts';

/** Debian's podman with a store of its own, in the namespaces of an engine: it sees the same registries. */
export interface Podman extends AsyncDisposable {
  /** Runs it; resolves with what it said. @throws Error when its exit code is not 0. */
  ok(...words: readonly string[]): Promise<string>;
  /** The content of a file of an image. */
  fileOf(image: string, path: string): Promise<string>;
}

export async function startPodman(engine: TestEngine): Promise<Podman> {
  const folder = await mkdtemp(join(engine.folder, 'podman-'));
  const store = [`--root=${folder}/root`, `--runroot=${folder}/run`, `--tmpdir=${folder}/tmp`, '--storage-driver=vfs'];
  const host = ['--cgroup-manager=cgroupfs', '--events-backend=none'];
  const ok = (...words: readonly string[]): Promise<string> => {
    const [program, ...rest] = engine.namespaces.enter(['podman', ...store, ...host, ...words]);
    return must(program, rest, { env: { HOME: folder } });
  };
  return {
    ok,
    async fileOf(image, path) {
      const root = await ok('image', 'mount', image);
      const [program, ...rest] = engine.namespaces.enter(['cat', join(root, path)]);
      const text = await must(program, rest);
      await ok('image', 'unmount', image);
      return text;
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}
