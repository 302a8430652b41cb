import { hash } from 'node:crypto';
import type { BaseImage } from '../../spec/contract/build.ts';
import { digestOfHex, isHex64 } from '../../base/ids.ts';
import { imageConfig } from '../export/config.ts';
import { definition, graphOperation } from '../wire/control.ts';
import { decode } from '../wire/decode.ts';
import { encode } from '../wire/encode.ts';
import type { Draft, Message } from '../wire/message.ts';
import type { Attributes } from './options.ts';
import type { Built } from './build.ts';

/** Names a result in a graph; clients pass it on as it is. */
const identifierPrefix = 'gantry-result://';
/** What a plan calls such a result: the domain is nobody's (RFC 2606). */
const referencePrefix = 'result.invalid/build:';

/**
 * A result as a graph that clients can give to another build (bake, with a target that stands on another one): one source, and
 * the end that points to it. Nobody but this engine can do anything with it.
 */
export function definitionOf(ref: string): Draft<typeof definition> {
  const source = encode(graphOperation, { source: { identifier: `${identifierPrefix}${ref}` } });
  const digest = digestOf(source);
  const end = encode(graphOperation, { inputs: [{ digest, index: 0 }] });
  // Clients take a graph for none that says nothing of its operations.
  return { def: [source, end], metadata: new Map([source, end].map((bytes) => [digestOf(bytes), {}])) };
}

const digestOf = (bytes: Uint8Array): string => `sha256:${hash('sha256', bytes, 'hex')}`;

/** The result that a graph stands for; undefined for a graph of somebody else. */
function refOf({ def }: Message<typeof definition>): string | undefined {
  for (const bytes of def) {
    const identifier = decode(graphOperation, bytes).source?.identifier ?? '';
    const ref = identifier.slice(identifierPrefix.length);
    if (identifier.startsWith(identifierPrefix) && isHex64(ref)) return ref;
  }
  return undefined;
}

/** The attributes of a build with contexts that are results of other builds (`input:NAME`) as images, which only `linkedImage` knows. */
export function withLinked(
  attributes: Attributes,
  inputs: ReadonlyMap<string, Message<typeof definition>>,
): Attributes {
  if (inputs.size === 0) return attributes;
  return new Map(
    [...attributes].map(([name, value]) => {
      const input = name.startsWith('context:') && value.startsWith('input:') ? inputs.get(value.slice(6)) : undefined;
      const ref = input === undefined ? undefined : refOf(input);
      return [name, ref === undefined ? value : `docker-image://${referencePrefix}${ref}`];
    }),
  );
}

/** The result that a reference of a plan stands for. */
export function linkedRef(reference: string): string | undefined {
  return reference.startsWith(referencePrefix) ? reference.slice(referencePrefix.length) : undefined;
}

/** A result as what a build stands on. */
export const linkedImage = (ref: string, built: Built, nowNs: bigint): BaseImage => ({
  id: digestOfHex(ref),
  config: imageConfig(built, built.layers, { now: nowNs, latest: undefined }),
  layers: built.layers,
});
