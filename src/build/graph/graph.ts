import { createHash } from 'node:crypto';
import { type Digest, digestOfHex } from '../../base/ids.ts';
import type { About, Definition, Operation } from './operation.ts';

/** The operations of a build. Every operation stands behind its inputs, so that in their order all can be solved. */
export type Graph = readonly Operation[];

/**
 * Puts a graph together. Two operations with one digest are one: a step that two stages have in common is solved once. The
 * first one's title stays; one of them that may not come from the cache is enough.
 */
export class GraphBuilder {
  readonly #operations: Operation[] = [];
  readonly #byDigest = new Map<Digest, number>();

  /** Returns the operation's place. */
  add(definition: Definition, inputs: readonly number[], about: About): number {
    const digest = digestOf(
      definition,
      inputs.map((input) => this.#at(input).digest),
    );
    const known = this.#byDigest.get(digest);
    if (known !== undefined) {
      const operation = this.#at(known);
      if (about.noCache) this.#operations[known] = { ...operation, about: { ...operation.about, noCache: true } };
      return known;
    }
    const index = this.#operations.length;
    this.#operations.push({ index, definition, inputs, digest, about });
    this.#byDigest.set(digest, index);
    return index;
  }

  #at(index: number): Operation {
    const operation = this.#operations[index];
    if (operation === undefined) throw new RangeError(`no operation ${index} in the graph`);
    return operation;
  }

  /** All operations so far. */
  all(): Graph {
    return [...this.#operations];
  }

  /** The operations that a result needs, in their order, counted anew, and the new places of all of them by the old ones. */
  upTo(result: number): { readonly graph: Graph; readonly places: ReadonlyMap<number, number> } {
    const needed = new Set([result]);
    for (let index = result; index >= 0; index--) {
      if (needed.has(index)) for (const input of this.#at(index).inputs) needed.add(input);
    }
    const places = new Map<number, number>();
    for (const index of [...needed].sort((a, b) => a - b)) places.set(index, places.size);
    const graph = [...places.keys()].map((index): Operation => {
      const operation = this.#at(index);
      const inputs = operation.inputs.map((input) => places.get(input) as number);
      return { ...operation, index: places.get(index) as number, inputs };
    });
    return { graph, places };
  }
}

/**
 * The digest of an operation: sha256 of its definition and the digests of its inputs, as JSON with sorted keys. Changing
 * what a definition is made of changes it: old cache entries are then not found, never found wrongly.
 */
export function digestOf(definition: Definition, inputs: readonly Digest[]): Digest {
  const text = JSON.stringify({ definition: sorted(definition), inputs });
  return digestOfHex(createHash('sha256').update(text).digest('hex'));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, one]) => one !== undefined);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, one]) => [key, sorted(one)]));
}

/** A graph as text, an operation a line: its place, digest, inputs and what it does. */
export function printGraph(graph: Graph): string {
  return graph.map(printOperation).join('\n');
}

function printOperation({ index, definition, inputs, digest, about }: Operation): string {
  const { kind, ...fields } = definition;
  const printed = Object.entries(fields).flatMap(([name, value]) => printField(name, value));
  const from = inputs.length === 0 ? '' : ` (${inputs.map((input) => `#${input}`).join(' ')})`;
  const flags = about.noCache ? ' no-cache' : '';
  return [`#${index} ${digest.slice(7, 19)} ${kind}${from}${flags}`, ...printed.map((line) => `    ${line}`)].join(
    '\n',
  );
}

/** Lists one entry a line; what is empty or false is left out. */
function printField(name: string, value: unknown): string[] {
  if (value === undefined || value === false || value === '') return [];
  if (Array.isArray(value) && value.some((one) => typeof one === 'object')) {
    return value.map((one) => `${name.replace(/s$/, '')}: ${printValue(one)}`);
  }
  const printed = printValue(value);
  return printed === '[]' ? [] : [`${name}: ${printed}`];
}

function printValue(value: unknown): string {
  if (typeof value !== 'object' || value === null)
    return typeof value === 'bigint' ? String(value) : (JSON.stringify(value) ?? '');
  if (Array.isArray(value)) return `[${value.map(printValue).join(', ')}]`;
  return Object.entries(value)
    .filter(([, one]) => one !== undefined && one !== false)
    .map(([key, one]) => (one === true ? key : `${key}=${printValue(one)}`))
    .join(' ');
}
