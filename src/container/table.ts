import { conflict, EngineError, notFound } from '../base/errors.ts';
import { isHex64, type ContainerId, type ExecId } from '../base/ids.ts';
import type { ContainerEntry } from './entry.ts';
import type { ExecEntry } from './exec/entry.ts';

/** All containers of the engine, found by id, unambiguous id prefix or name. */
export class ContainerTable {
  readonly #byId = new Map<ContainerId, ContainerEntry>();
  readonly #idByName = new Map<string, ContainerId>();
  readonly #execs = new Map<ExecId, { container: ContainerEntry; exec: ExecEntry }>();

  /**
   * Takes a name before the container exists, so that two creates cannot both get it.
   * @throws EngineError `conflict` with Docker's text.
   */
  reserveName(name: string, id: ContainerId): void {
    const owner = this.#idByName.get(name);
    if (owner !== undefined && owner !== id) {
      throw conflict(
        `Conflict. The container name "/${name}" is already in use by container "${owner}". ` +
          'You have to remove (or rename) that container to be able to reuse that name.',
      );
    }
    this.#idByName.set(name, id);
  }

  isNameTaken(name: string): boolean {
    return this.#idByName.has(name);
  }

  releaseName(name: string, id: ContainerId): void {
    if (this.#idByName.get(name) === id) this.#idByName.delete(name);
  }

  add(entry: ContainerEntry): void {
    this.reserveName(entry.record.name, entry.id);
    this.#byId.set(entry.id, entry);
  }

  delete(entry: ContainerEntry): void {
    this.#byId.delete(entry.id);
    this.releaseName(entry.record.name, entry.id);
    for (const id of entry.execs.keys()) this.#execs.delete(id);
  }

  /** @throws EngineError `not-found`, or `invalid` when a prefix fits several. */
  find(nameOrId: string): ContainerEntry {
    const wanted = nameOrId.startsWith('/') ? nameOrId.slice(1) : nameOrId;
    const exact = this.#byId.get(wanted as ContainerId);
    if (exact !== undefined) return exact;
    const named = this.#idByName.get(wanted);
    const byName = named === undefined ? undefined : this.#byId.get(named);
    if (byName !== undefined) return byName;
    const linked = this.#findLinked(wanted);
    if (linked !== undefined) return linked;
    if (wanted === '' || isHex64(wanted)) throw notFound(`No such container: ${nameOrId}`);
    let found: ContainerEntry | undefined;
    for (const [id, entry] of this.#byId) {
      if (!id.startsWith(wanted)) continue;
      if (found !== undefined) throw new EngineError('invalid', `multiple IDs found with provided prefix: ${wanted}`);
      found = entry;
    }
    if (found === undefined) throw notFound(`No such container: ${nameOrId}`);
    return found;
  }

  /** `container/alias`: what the container is linked to under this alias. */
  #findLinked(name: string): ContainerEntry | undefined {
    const slash = name.indexOf('/');
    const owner = slash < 0 ? undefined : this.#idByName.get(name.slice(0, slash));
    const links = owner === undefined ? undefined : this.#byId.get(owner)?.record.links;
    const link = links?.find(({ alias }) => alias === name.slice(slash + 1));
    return link === undefined ? undefined : this.#byId.get(link.id);
  }

  get(id: ContainerId): ContainerEntry | undefined {
    return this.#byId.get(id);
  }

  /** Newest first, as Docker lists them. */
  list(): ContainerEntry[] {
    return [...this.#byId.values()].sort((a, b) => (a.record.createdNs < b.record.createdNs ? 1 : -1));
  }

  addExec(container: ContainerEntry, exec: ExecEntry): void {
    container.execs.set(exec.id, exec);
    this.#execs.set(exec.id, { container, exec });
  }

  deleteExec(container: ContainerEntry, id: ExecId): void {
    container.execs.delete(id);
    this.#execs.delete(id);
  }

  /** By its whole id, or by an unambiguous prefix. @throws EngineError `not-found`; `invalid` for several. */
  findExec(id: string, options: { readonly byPrefix?: boolean } = {}): { container: ContainerEntry; exec: ExecEntry } {
    const exact = this.#execs.get(id as ExecId);
    if (exact !== undefined) return exact;
    const fitting =
      options.byPrefix === true && id !== '' ? [...this.#execs.keys()].filter((key) => key.startsWith(id)) : [];
    if (fitting.length > 1) throw new EngineError('invalid', `Multiple IDs found with provided prefix: ${id}`);
    const found = fitting[0] === undefined ? undefined : this.#execs.get(fitting[0]);
    if (found === undefined) throw notFound(`No such exec instance: ${id}`);
    return found;
  }
}
