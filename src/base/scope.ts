type Undo = () => void | Promise<void>;

/**
 * Owns what was acquired on the way to something larger. Each step registers its undo at once; leaving the scope runs
 * them in reverse order. `commit()` keeps what was made and forgets the undos. A failing undo does not stop the others:
 * all failures come back in one AggregateError.
 *
 *     await using scope = new Scope();
 *     const mount = await scope.acquire(mountLayer(id), (m) => m.release());
 *     ...
 *     scope.commit();
 */
export class Scope implements AsyncDisposable {
  #undos: Undo[] = [];

  /** Registers `undo`, to be run when the scope is left without `commit`. */
  defer(undo: Undo): void {
    this.#undos.push(undo);
  }

  /** Waits for `made` and registers how to undo it. */
  async acquire<T>(made: T | Promise<T>, undo: (value: T) => void | Promise<void>): Promise<T> {
    const value = await made;
    this.defer(() => undo(value));
    return value;
  }

  /** Everything made so far stays; its undos are returned in order of registration, for whoever owns it now. */
  commit(): Undo[] {
    const undos = this.#undos;
    this.#undos = [];
    return undos;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const errors: unknown[] = [];
    for (let undo = this.#undos.pop(); undo !== undefined; undo = this.#undos.pop()) {
      try {
        await undo();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length === 1) throw errors[0];
    if (errors.length > 1) throw new AggregateError(errors, 'several undo steps failed');
  }
}
