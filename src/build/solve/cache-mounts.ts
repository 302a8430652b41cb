import { Latch } from '../../base/async.ts';

/** A cache mount that a step has, until `release`. */
export interface TakenMount {
  readonly name: string;
  readonly release: () => void;
}

/** Which cache mounts steps have at the moment, and how they share them. */
export class CacheMounts {
  readonly #users = new Map<string, number>();
  readonly #waiting = new Map<string, Latch[]>();

  /**
   * `shared`: at once with others. `locked`: alone, others wait. `private`: alone, others get one of their own.
   * @throws cancelled
   */
  async take(name: string, sharing: 'shared' | 'private' | 'locked', signal: AbortSignal): Promise<TakenMount> {
    if (sharing === 'private') return this.#use(this.#free(name));
    if (sharing === 'locked') {
      while (this.#users.has(name)) {
        const turn = new Latch();
        this.#waiting.set(name, [...(this.#waiting.get(name) ?? []), turn]);
        await turn.wait(signal);
      }
    }
    return this.#use(name);
  }

  #free(name: string): string {
    for (let serial = 1; ; serial++) {
      const candidate = serial === 1 ? name : `${name}-${serial}`;
      if (!this.#users.has(candidate)) return candidate;
    }
  }

  #use(name: string): TakenMount {
    this.#users.set(name, (this.#users.get(name) ?? 0) + 1);
    return { name, release: () => this.#release(name) };
  }

  #release(name: string): void {
    const left = (this.#users.get(name) ?? 1) - 1;
    if (left > 0) {
      this.#users.set(name, left);
      return;
    }
    this.#users.delete(name);
    // Each looks again whether it is free.
    const turns = this.#waiting.get(name) ?? [];
    this.#waiting.delete(name);
    for (const turn of turns) turn.set();
  }
}
