import type { Digest } from '../base/ids.ts';

/** Which containers were made from which image. Rebuilt at boot by the containers' own service. */
export class ImageUsers {
  readonly #users = new Map<Digest, Map<string, Digest | undefined>>();

  /** `manifest` is the one of the image that the container runs; undefined for one that only shows the image. */
  retain(id: Digest, user: string, manifest?: Digest): void {
    const users = this.#users.get(id) ?? new Map<string, Digest | undefined>();
    users.set(user, manifest ?? users.get(user));
    this.#users.set(id, users);
  }

  /** True when nobody uses the image any more. */
  release(id: Digest, user: string): boolean {
    const users = this.#users.get(id);
    users?.delete(user);
    if (users?.size === 0) this.#users.delete(id);
    return !this.#users.has(id);
  }

  of(id: Digest): readonly string[] {
    return [...(this.#users.get(id)?.keys() ?? [])];
  }

  /** The users of one manifest of an image. */
  ofManifest(id: Digest, manifest: Digest): readonly string[] {
    return [...(this.#users.get(id) ?? [])].filter(([, used]) => used === manifest).map(([user]) => user);
  }
}
