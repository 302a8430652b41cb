import { conflict } from '../base/errors.ts';
import type { ContainerId } from '../base/ids.ts';

/** Somebody who reads a volume without keeping containers from it. */
interface Hold {
  readonly name: string;
  /** For messages: `exported`. */
  readonly doing: string;
  readonly onUse: (() => void) | undefined;
}

/** Which containers run with which volumes, and which volumes are being read by operations that take long. */
export class VolumeHolds {
  readonly #running = new Map<string, Set<ContainerId>>();
  readonly #holds = new Set<Hold>();

  /** A container is about to run with a volume: who reads it undisturbed is told. */
  begin(name: string, container: ContainerId): void {
    const running = this.#running.get(name);
    if (running === undefined) this.#running.set(name, new Set([container]));
    else running.add(container);
    for (const hold of this.#holds) if (hold.name === name) hold.onUse?.();
  }

  end(name: string, container: ContainerId): void {
    const running = this.#running.get(name);
    running?.delete(container);
    if (running?.size === 0) this.#running.delete(name);
  }

  running(name: string): readonly ContainerId[] {
    return [...(this.#running.get(name) ?? [])];
  }

  /**
   * Until the answer is called, the volume is neither removed nor renamed nor replaced; containers may use it, and `onUse`
   * is called when one begins to.
   */
  hold(name: string, doing: string, onUse?: () => void): () => void {
    const hold: Hold = { name, doing, onUse };
    this.#holds.add(hold);
    return () => void this.#holds.delete(hold);
  }

  /** @throws conflict when somebody holds the volume. `what`: `remove data`. */
  refuseHeld(name: string, what: string): void {
    for (const hold of this.#holds) if (hold.name === name) throw conflict(`${what}: volume is being ${hold.doing}`);
  }
}
