import type { RegistryAuth } from './image.ts';
import type { JournalEvent } from '../../spec/engine/event.ts';
import type { Filters } from '../../spec/engine/filters.ts';
import type { InfoView, VersionView } from '../../spec/engine/system.ts';
import type { DiskUsageReport, UsageKind } from '../../spec/engine/usage.ts';

/** Credentials to try at a registry; nothing of it is kept. */
export interface LoginRequest {
  /** `host:port` or a URL; empty for the default registry. */
  readonly address: string;
  readonly credentials: RegistryAuth;
}

export interface SystemApi {
  /** Gives the token that stands for the password from now on, if any. @throws unauthorized when the registry refuses them, unavailable when it cannot be reached, invalid */
  login(request: LoginRequest, signal: AbortSignal): Promise<string | undefined>;
  /** What objects of these kinds take on the disk. @throws cancelled when the signal aborts */
  diskUsage(kinds: readonly UsageKind[], signal: AbortSignal): Promise<DiskUsageReport>;
  version(): VersionView | Promise<VersionView>;
  info(): InfoView | Promise<InfoView>;
}

export interface EventSubscription {
  /** Events of the journal from here on, inclusive; without any of the two only what happens from now on. */
  readonly sinceNs?: bigint;
  readonly sinceSeq?: number;
  /** The stream ends here (wall clock), also when it lies in the future. */
  readonly untilNs?: bigint;
  readonly filters: Filters;
  readonly signal: AbortSignal;
}
export interface EventsApi {
  /**
   * The subscription holds from the call on: what happens after `subscribe` returned is delivered, without gap or
   * duplicate, whenever iteration begins. Ends at `untilNs`, when the signal aborts, and when the engine goes down.
   */
  subscribe(subscription: EventSubscription): AsyncIterable<JournalEvent>;
}
