import { hash } from 'node:crypto';
import type { Predicate } from '../../spec/contract/build.ts';
import type { historyRecord } from '../wire/control.ts';
import type { Draft } from '../wire/message.ts';

/** A document of a build's record, as messages name it. */
export type RecordDescriptor = NonNullable<Draft<typeof historyRecord>['externalError']>;

/** Bytes of documents that one build's record keeps; larger ones are not remembered. */
const mostBytes = 2 << 20;

/** What the history tells of a build besides its events. */
export class BuildRecord {
  warnings = 0;
  /** What the frontend was asked for. */
  frontend = '';
  attributes: ReadonlyMap<string, string> = new Map();
  /** Why it failed, with its place in the Dockerfile. */
  failure: RecordDescriptor | undefined;
  readonly attestations: RecordDescriptor[] = [];
  /** What was exported, by the exporters' places. */
  readonly results = new Map<string, RecordDescriptor>();
  readonly #documents = new Map<string, Uint8Array>();
  #bytes = 0;

  attest({ type, predicate }: Predicate): void {
    const bytes = Buffer.from(JSON.stringify(predicate));
    const kept = this.keep('application/vnd.in-toto+json', bytes, { 'in-toto.io/predicate-type': type });
    if (kept !== undefined) this.attestations.push(kept);
  }

  /** Keeps a document that clients may read by its digest; undefined when there is no room for it. */
  keep(
    mediaType: string,
    bytes: Uint8Array,
    annotations: Readonly<Record<string, string>> = {},
  ): RecordDescriptor | undefined {
    if (this.#bytes + bytes.length > mostBytes) return undefined;
    const digest = `sha256:${hash('sha256', bytes, 'hex')}`;
    this.#documents.set(digest, bytes);
    this.#bytes += bytes.length;
    return { mediaType, digest, size: bytes.length, annotations: new Map(Object.entries(annotations)) };
  }

  /** By their digests. */
  get documents(): ReadonlyMap<string, Uint8Array> {
    return this.#documents;
  }

  document(digest: string): Uint8Array | undefined {
    return this.#documents.get(digest);
  }
}
