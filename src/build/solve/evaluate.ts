import { internal } from '../../base/errors.ts';
import type { BuiltLayer } from '../../spec/contract/build.ts';
import type { FileView } from '../../spec/contract/files.ts';
import type { CacheResult } from '../cache/cache.ts';
import type { ContextTree } from '../context/tree.ts';
import { SourceError } from '../control/failure.ts';
import type { BuildJob, StepOutput } from '../control/job.ts';
import type { Operation } from '../graph/operation.ts';
import { pathsIn } from './context-source.ts';
import { makeCopy } from './copy-operation.ts';
import { makeDirectory } from './directory-operation.ts';
import { digestOf } from './keys.ts';
import type { SolvePorts } from './ports.ts';
import { makeRun } from './run-operation.ts';
import type { AddedLayer, BuiltRoot, BuiltSource, EvaluationInput, OperationScope } from './scope.ts';

/**
 * Carries out the operations of a graph, those that do not need each other at the same time, and those that were done before
 * not at all: what a step makes is kept by a key of all that it depends on.
 */
export class Evaluation {
  readonly #ports: SolvePorts;
  readonly #input: EvaluationInput;
  readonly #made = new Map<number, Promise<BuiltSource>>();
  #failure: unknown;

  constructor(ports: SolvePorts, input: EvaluationInput) {
    this.#ports = ports;
    this.#input = input;
  }

  /**
   * The root that an operation makes. When a step fails, the others are given up, and all have ended when this rejects.
   * @throws SourceError with the place of the step that failed first, cancelled
   */
  async result(index: number): Promise<BuiltRoot> {
    try {
      return await this.root(index);
    } catch (error) {
      for (let begun = -1; begun !== this.#made.size; ) {
        begun = this.#made.size;
        await Promise.allSettled(this.#made.values());
      }
      throw this.#failure ?? error;
    }
  }

  /** The same for those that are made already, or are made on the way. */
  async root(index: number): Promise<BuiltRoot> {
    const made = await this.#source(index);
    if (made.kind !== 'root') throw internal(`operation ${index} of the build makes no root`);
    return made;
  }

  /** The roots with what was added that a root stands on by way of first inputs, from the lowest on; of a merge, what it lays over. */
  async chain(index: number): Promise<AddedRoot[]> {
    const roots: AddedRoot[] = [];
    for (let at = index; ; ) {
      const { inputs, definition } = this.#operation(at);
      const [base] = inputs;
      if (base === undefined) return roots.reverse();
      roots.push(...added([await this.root(definition.kind === 'merge' ? (inputs[1] ?? at) : at)]));
      at = base;
    }
  }

  /** All roots that steps have made so far. */
  async made(): Promise<AddedRoot[]> {
    const all = await Promise.all(this.#made.entries().map(async ([at, made]) => ({ at, made: await made })));
    return added(all.flatMap(({ at, made }) => (this.#operation(at).definition.kind === 'merge' ? [] : [made])));
  }

  #operation(index: number): Operation {
    const operation = this.#input.graph[index];
    if (operation === undefined) throw internal(`the graph has no operation ${index}`);
    return operation;
  }

  #source(index: number): Promise<BuiltSource> {
    let made = this.#made.get(index);
    if (made === undefined) {
      const operation = this.#operation(index);
      made = this.#make(operation).catch((error: unknown) => {
        const failure = this.#placed(operation, error);
        this.#failure ??= failure;
        this.#input.stop();
        throw failure;
      });
      this.#made.set(index, made);
    }
    return made;
  }

  async #make(operation: Operation): Promise<BuiltSource> {
    const { definition } = operation;
    switch (definition.kind) {
      case 'scratch':
        return { kind: 'root', layers: [], key: digestOf(['scratch']), added: undefined };
      case 'image':
        return this.#image(operation, definition.reference, definition.platform);
      case 'context':
        return {
          kind: 'context',
          tree: await this.#input.context(definition.name),
          names: (folder) => this.#input.names(definition.name, folder),
        };
      case 'inline':
        return definition;
      case 'http':
      case 'git':
        return fetched(await this.#input.fetch(definition), definition.kind === 'http');
      case 'run':
        return makeRun(await this.#scope(operation), definition);
      case 'copy':
        return makeCopy(await this.#scope(operation), definition.actions);
      case 'mkdir':
        return makeDirectory(await this.#scope(operation), definition);
      case 'merge':
        return this.#merge(operation);
    }
  }

  async #image(operation: Operation, reference: string, platform: string): Promise<BuiltRoot> {
    const base = this.#input.image(reference, platform);
    if (base === undefined) throw internal(`the image ${reference} was not looked up`);
    await tellCached(this.#input.job, operation.about.title);
    const key = digestOf(['image', base.layers.map(({ diffId }) => diffId)]);
    return { kind: 'root', layers: base.layers, key, added: undefined };
  }

  async #merge({ inputs, about }: Operation): Promise<BuiltRoot> {
    const [below, above] = await Promise.all(inputs.map((input) => this.root(input)));
    if (below === undefined || above === undefined) throw internal('a merge needs two roots');
    await tellCached(this.#input.job, about.title);
    const layers = [...below.layers, ...above.layers];
    return { kind: 'root', layers, key: digestOf(['merge', below.key, above.key]), added: above.added };
  }

  async #scope(operation: Operation): Promise<OperationScope> {
    // All begin now: files of other stages do not wait for the base that they are copied to.
    for (const input of operation.inputs) this.#source(input).catch(() => undefined);
    const [first = -1] = operation.inputs;
    const base = await this.root(first);
    return {
      ports: this.#ports,
      input: this.#input,
      operation,
      base,
      source: (input) => this.#source(operation.inputs[input] ?? -1),
      onView: (root, look) => onView(this.#ports, root, look),
      cached: (parts, make, closer) => this.#cached(operation, base, { key: digestOf(parts), make, closer }),
    };
  }

  async #cached({ about }: Operation, base: BuiltRoot, { key, make, closer }: Wanted): Promise<BuiltRoot> {
    const { job, content, slots, signal } = this.#input;
    const { cache, flights } = this.#ports;
    const name = about.title;
    const look = async (by = key): Promise<BuiltRoot | undefined> => {
      const known = cache.get(by);
      if (known === undefined || (known.layer !== undefined && !(await content.hold(known.layer)))) return undefined;
      cache.note(known);
      await tellCached(job, name);
      return rootOn(base, known, known.key);
    };
    const kept = (result: CacheResult, exact: string): BuiltRoot => {
      const entry = cache.put(exact, result);
      cache.addAlias(exact, key);
      return rootOn(base, entry, exact);
    };
    const fresh = async (): Promise<BuiltRoot> => {
      const exact = closer === undefined ? key : digestOf(await closer());
      const alike = exact === key || about.noCache ? undefined : await look(exact);
      if (alike !== undefined) {
        cache.addAlias(exact, key);
        return alike;
      }
      const elsewhere = about.noCache ? undefined : await this.#input.imported(exact);
      if (elsewhere !== undefined) {
        await tellCached(job, name);
        const { layer, createdNs } = elsewhere;
        return kept({ layer, parent: base.key, description: name, createdNs }, exact);
      }
      // What is made in a step needs no other step: nobody who has a place waits for one.
      const layer = await slots.run(() => this.#ports.slots.run(() => job.step({ name }, make), signal), signal);
      return kept({ layer, parent: base.key, description: name }, exact);
    };
    return about.noCache ? fresh() : flights.share(key, signal, () => look(), fresh);
  }

  #placed({ about }: Operation, error: unknown): unknown {
    const place = this.#input.place(about.range);
    if (error instanceof SourceError || this.#input.signal.aborted || place === undefined) return error;
    return new SourceError(error, place, about.title);
  }
}

/** A step whose work was not needed. */
const tellCached = (job: BuildJob, name: string): Promise<void> =>
  job.step({ name, cached: true }, () => Promise.resolve());

/** What `cached` of an operation's scope was called with. */
interface Wanted {
  readonly key: string;
  readonly make: (output: StepOutput) => Promise<BuiltLayer | undefined>;
  readonly closer: (() => Promise<readonly unknown[]>) | undefined;
}

const fetched = (tree: ContextTree, isExact: boolean): BuiltSource => ({
  kind: 'context',
  tree,
  isExact,
  names: async (folder) => pathsIn(tree, folder),
});

const rootOn = (base: BuiltRoot, { layer, createdNs }: AddedLayer, key: string): BuiltRoot => ({
  kind: 'root',
  layers: layer === undefined ? base.layers : [...base.layers, layer],
  key,
  added: { layer, createdNs },
});

/** A root whose operation has added something, if only nothing to the files. */
export type AddedRoot = BuiltRoot & { readonly added: AddedLayer };

const added = (sources: readonly BuiltSource[]): AddedRoot[] =>
  sources.filter((source): source is AddedRoot => source.kind === 'root' && source.added !== undefined);

function onView<T>(
  { steps }: SolvePorts,
  { layers }: BuiltRoot,
  look: (view: FileView | undefined) => Promise<T>,
): Promise<T> {
  if (layers.length === 0) return look(undefined);
  return steps.view(
    layers.map(({ diffId }) => diffId),
    look,
  );
}
