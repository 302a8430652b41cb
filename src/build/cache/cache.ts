import { messageOf } from '../../base/errors.ts';
import type { Clock } from '../../base/clock.ts';
import { parseDiffId } from '../../base/ids.ts';
import type { Logger } from '../../base/log.ts';
import type { BuiltLayer } from '../../spec/contract/build.ts';
import type { StateJournal } from '../../spec/contract/state.ts';
import { objectOf, optionalList, optionalString, requiredString } from '../../spec/oci/json.ts';
import { descriptorOf } from '../../spec/oci/manifest.ts';

/** The kind of the records in the state database. */
const cacheKind = 'build-cache';

/** What a step has made once, by the key of everything that it depends on. */
export interface CacheEntry {
  /** 64 hex digits. */
  readonly key: string;
  /** Undefined when the step changed no file. */
  readonly layer: BuiltLayer | undefined;
  /** The key of the step that it stands on; undefined when that is not one. */
  readonly parent: string | undefined;
  readonly description: string;
  readonly createdNs: bigint;
  readonly lastUsedNs: bigint;
  readonly usageCount: number;
  /** Other keys by which it was found to be what is wanted, the newest last. */
  readonly aliases: readonly string[];
}

/** Stages that are made again and again give the same files by ever new keys: only the last ones are of use. */
const mostAliases = 8;

/** What a step has made. */
export interface CacheResult extends Pick<CacheEntry, 'layer' | 'parent' | 'description'> {
  /** When it was made; now when that is left out. */
  readonly createdNs?: bigint;
}

/** The results of steps, kept until they are pruned. A record is written when its layer is durable, never before. */
export class StepCache {
  readonly #journal: StateJournal;
  readonly #clock: Clock;
  readonly #entries = new Map<string, CacheEntry>();
  /** The keys of entries, by their aliases. */
  readonly #aliases = new Map<string, string>();

  constructor(journal: StateJournal, clock: Clock) {
    this.#journal = journal;
    this.#clock = clock;
  }

  /** Reads the records at boot; what cannot be understood is set aside: it can be built again. */
  async load(log: Logger): Promise<void> {
    for (const { id, value } of await this.#journal.load(cacheKind)) {
      try {
        this.#keep(decodeEntry(id, value));
      } catch (error) {
        log.warn('set an unreadable record aside', { kind: cacheKind, id, error: messageOf(error) });
        await this.#journal.aside.add({ kind: cacheKind, id, reason: messageOf(error) }, value);
      }
    }
  }

  /** By its key, or an alias. */
  get(key: string): CacheEntry | undefined {
    return this.#entries.get(key) ?? this.#entries.get(this.#aliases.get(key) ?? '');
  }

  entries(): readonly CacheEntry[] {
    return [...this.#entries.values()];
  }

  /** The layers that must stay. */
  *layers(): Generator<BuiltLayer> {
    for (const { layer } of this.#entries.values()) if (layer !== undefined) yield layer;
  }

  /** Adds what a step has made; its layer is durable. */
  put(key: string, { layer, parent, description, createdNs = this.#clock.nowNs() }: CacheResult): CacheEntry {
    const { aliases = [] } = this.#entries.get(key) ?? {};
    const lastUsedNs = this.#clock.nowNs();
    const entry = { key, layer, parent, description, createdNs, lastUsedNs, usageCount: 0, aliases };
    this.#record(entry);
    return entry;
  }

  /** From now on it is also found by another key. */
  addAlias(key: string, alias: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined || key === alias || entry.aliases.includes(alias)) return;
    const before = this.#entries.get(this.#aliases.get(alias) ?? '');
    if (before !== undefined) this.#record({ ...before, aliases: before.aliases.filter((one) => one !== alias) });
    this.#record({ ...entry, aliases: [...entry.aliases, alias].slice(-mostAliases) });
  }

  /** It served a build. */
  note(entry: CacheEntry): void {
    const used = { ...entry, lastUsedNs: this.#clock.nowNs(), usageCount: entry.usageCount + 1 };
    this.#record(used);
  }

  /** Nobody waits for it: lost with a power failure the step is made again, or looks older than it is. */
  #record(entry: CacheEntry): void {
    this.#keep(entry);
    this.#journal.commit({ records: [putOf(entry)], mayWait: true }).catch(() => undefined);
  }

  #keep(entry: CacheEntry): void {
    const { key, aliases } = entry;
    this.#forgetAliases(key);
    this.#entries.set(key, entry);
    for (const alias of aliases) this.#aliases.set(alias, key);
  }

  #forgetAliases(key: string): void {
    for (const alias of this.#entries.get(key)?.aliases ?? []) {
      if (this.#aliases.get(alias) === key) this.#aliases.delete(alias);
    }
  }

  /** Forgets entries; their layers go with the next collection. */
  async drop(keys: readonly string[]): Promise<void> {
    if (keys.length === 0) return;
    for (const key of keys) {
      this.#forgetAliases(key);
      this.#entries.delete(key);
    }
    await this.#journal.commit({ records: keys.map((id) => ({ op: 'delete' as const, kind: cacheKind, id })) });
  }
}

const putOf = ({ key, layer, parent, description, createdNs, lastUsedNs, usageCount, aliases }: CacheEntry) => ({
  op: 'put' as const,
  kind: cacheKind,
  id: key,
  value: {
    version: 1,
    ...(layer === undefined ? {} : { blob: layer.blob, diffId: layer.diffId }),
    ...(parent === undefined ? {} : { parent }),
    description,
    createdNs: String(createdNs),
    lastUsedNs: String(lastUsedNs),
    usageCount,
    ...(aliases.length === 0 ? {} : { aliases }),
  },
});

function decodeEntry(key: string, value: unknown): CacheEntry {
  const json = objectOf(value, 'build cache record');
  const { blob, usageCount } = json;
  const diffId = json['diffId'];
  return {
    key,
    layer:
      blob === undefined
        ? undefined
        : { blob: descriptorOf(blob, 'blob'), diffId: parseDiffId(requiredString(diffId, 'diffId')) },
    parent: optionalString(json['parent'], 'parent'),
    description: requiredString(json['description'], 'description'),
    createdNs: BigInt(requiredString(json['createdNs'], 'createdNs')),
    lastUsedNs: BigInt(requiredString(json['lastUsedNs'], 'lastUsedNs')),
    usageCount: typeof usageCount === 'number' ? usageCount : 0,
    aliases: optionalList(json['aliases'], 'aliases', mostAliases, String) ?? [],
  };
}
