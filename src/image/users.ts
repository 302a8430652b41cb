import type { Digest } from '../base/ids.ts';

/** Which containers were made from which image. Rebuilt at boot by the containers' own service. */
export class ImageUsers {
  readonly #users = new Map<Digest, Set<string>>();

  retain(id: Digest, user: string): void {
    const users = this.#users.get(id);
    if (users === undefined) this.#users.set(id, new Set([user]));
    else users.add(user);
  }

  /** True when nobody uses the image any more. */
  release(id: Digest, user: string): boolean {
    const users = this.#users.get(id);
    users?.delete(user);
    if (users?.size === 0) this.#users.delete(id);
    return !this.#users.has(id);
  }

  of(id: Digest): readonly string[] {
    return [...(this.#users.get(id) ?? [])];
  }
}
