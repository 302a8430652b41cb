import { hash } from 'node:crypto';
import { invalid, notFound } from '../../base/errors.ts';
import { formatReference, parseReference, repositoryOf } from '../../spec/reference/reference.ts';
import { type LockEntry, type LockSource, parseLock, printLock, shownSource, sourceKey } from './lock-file.ts';

/**
 * What becomes of a source that the lock does not name: with `locked` it is an error, with `update` it is resolved and added;
 * with `renew` all are resolved anew.
 */
export type LockMode = 'locked' | 'update' | 'renew';

const modes: readonly LockMode[] = ['locked', 'update', 'renew'];

/** Clients say by these attributes of a build what the lock is. */
export const lockAttributes = { text: 'gantry.lock', mode: 'gantry.lock-mode', name: 'gantry.lock-name' } as const;
/** For clients that only send build arguments: the lock lies beside the Dockerfile. */
export const lockArgument = 'build-arg:GANTRY_LOCK';

/** What the sources of one build are resolved to: by a lock where there is one, and what they were resolved to in the end. */
export class SourceLock {
  readonly #known = new Map<string, LockEntry>();
  readonly #used = new Map<string, LockEntry>();
  #mode: LockMode | undefined;
  #name = 'the lock';

  /** The lock that a client gives among a build's attributes; without one all is resolved as ever. @throws EngineError `invalid` */
  static of(attributes: ReadonlyMap<string, string>): SourceLock {
    const lock = new SourceLock();
    const mode = attributes.get(lockAttributes.mode);
    const name = attributes.get(lockAttributes.name) ?? 'the lock';
    if (mode !== undefined) lock.load(attributes.get(lockAttributes.text) ?? '', modeOf(mode), name);
    return lock;
  }

  /** From now on this text counts; an empty one has no sources. @throws EngineError `invalid` */
  load(text: string, mode: LockMode, name: string): void {
    const entries = text === '' ? [] : parseLock(Buffer.from(text), name);
    this.#mode = mode;
    this.#name = name;
    for (const entry of entries) this.#known.set(sourceKey(entry.source), entry);
  }

  /** What a source is to be; undefined for whatever it is now. @throws not-found for one that a strict lock does not name */
  find(source: LockSource): string | undefined {
    if (this.#mode === undefined || this.#mode === 'renew') return undefined;
    const known = this.#known.get(sourceKey(source));
    if (known === undefined && this.#mode === 'locked') {
      throw notFound(`${this.#name} does not name ${shownSource(source)}: a build with --lock adds it`);
    }
    return known?.value;
  }

  /** It was this. @throws invalid where the lock says something else */
  note(source: LockSource, value: string): void {
    const wanted = this.find(source);
    if (wanted !== undefined && wanted !== value) throw this.mismatch(source, wanted, value);
    this.#used.set(sourceKey(source), { source, value });
  }

  /** What the sources of this build were. */
  used(): Iterable<LockEntry> {
    return this.#used.values();
  }

  /** The error for a source that is something else. */
  mismatch(source: LockSource, wanted: string, found: string): Error {
    return invalid(
      `${shownSource(source)} is not what ${this.#name} says: expected ${wanted}, got ${found}: --lock-update takes what is there now`,
    );
  }

  /**
   * The lock as it is after the build, for a client that wants one; undefined for others. It keeps what this build did not
   * use, as another target or platform may, unless all was to be resolved anew.
   */
  text(): string | undefined {
    if (this.#mode === undefined) return undefined;
    const kept = this.#mode === 'renew' ? [] : this.#known;
    return printLock(new Map([...kept, ...this.#used]).values());
  }
}

/** @throws EngineError `invalid` */
export function modeOf(text: string): LockMode {
  const mode = modes.find((one) => one === text);
  if (mode === undefined) throw invalid(`lock: ${JSON.stringify(text)}: expected ${modes.join(', ')}`);
  return mode;
}

export const imageSource = (reference: string, platform: string): LockSource => ({
  type: 'image',
  name: reference,
  platform,
});

/** An image by its digest, whatever its tag means now. */
export const exactReference = (reference: string, digest: string): string =>
  `${formatReference(repositoryOf(parseReference(reference)))}@${digest}`;

export const gitSource = (remote: string, ref: string): LockSource => ({
  type: 'git',
  name: remote.replace(/\/\/[^/@\s]*@/, '//'),
  ref,
});

/** What stands behind the path may be a token, and tells files apart: its digest does so as well. */
export function httpSource(url: string): LockSource {
  const parsed = URL.parse(url);
  if (parsed === null) return { type: 'http', name: url, query: '' };
  const { protocol, host, pathname, search } = parsed;
  return {
    type: 'http',
    name: `${protocol}//${host}${pathname}`,
    query: search === '' ? '' : `sha256:${hash('sha256', search, 'hex')}`,
  };
}
