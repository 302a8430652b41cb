import { join } from 'node:path';
import { conflict } from '../../base/errors.ts';
import type { DiffId } from '../../base/ids.ts';
import type { LayerRoots } from './_form.ts';
import type { MountedLayer } from './backend.ts';

/** The users of layers that are directories already: nothing is mounted, nothing outlives an engine. */
export class LayerDirectories implements LayerRoots {
  readonly #rootName: string;
  readonly #users = new Map<DiffId, number>();

  /** `rootName` is the directory of a layer's files in the layer's own. */
  constructor(rootName: string) {
    this.#rootName = rootName;
  }

  users(diffId: DiffId): number {
    return this.#users.get(diffId) ?? 0;
  }

  acquire(diffId: DiffId, path: string): Promise<MountedLayer> {
    this.#users.set(diffId, this.users(diffId) + 1);
    let released = false;
    const release = (): void => {
      if (released) return;
      released = true;
      const left = this.users(diffId) - 1;
      if (left > 0) this.#users.set(diffId, left);
      else this.#users.delete(diffId);
    };
    return Promise.resolve({ diffId, path: join(path, this.#rootName), release });
  }

  drop(diffId: DiffId): Promise<void> {
    return this.users(diffId) > 0 ? Promise.reject(conflict(`layer ${diffId} is in use`)) : Promise.resolve();
  }

  adopt(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
