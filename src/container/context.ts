import type { ContainerId } from '../base/ids.ts';
import { messageOf } from '../base/errors.ts';
import type { LaunchedContainer } from '../spec/contract/launch.ts';
import type { IdMapping } from '../spec/contract/user-namespace.ts';
import type { EventInput } from '../spec/engine/event.ts';
import type { ContainerEntry } from './entry.ts';
import type { CheckCounts } from './health/counts.ts';
import type { ContainerPorts } from './ports.ts';
import { containerKind, encodeRecord, type ContainerRecord } from './record.ts';
import type { ContainerTable } from './table.ts';

/** What every verb of this room works with. */
export interface ContainerContext extends ContainerPorts {
  readonly table: ContainerTable;
  /** Cleaning that goes on after its caller was answered; awaited at shutdown. */
  readonly background: Set<Promise<void>>;
  /** Follows a run that just began, to its end and, by the restart policy, beyond (`start/watch.ts`). */
  readonly follow: (entry: ContainerEntry, live: LaunchedContainer) => void;
  /** Begins the health checks of a container that runs, when it has any (`health/watch.ts`). */
  readonly watchHealth: (entry: ContainerEntry, options?: { readonly adopted: boolean }) => void;
  /** Writable layers that were there at the start and have no record, while some of those cannot be read. */
  readonly strangers: Set<ContainerId>;
  readonly checks: CheckCounts;
  /** Ids of user namespaces of containers that are being made. */
  readonly reservedIds: Set<IdMapping>;
  /** Set at shutdown: no automatic restart is begun any more. */
  closing: boolean;
}

/** The directory of a container's durable files (log, hosts, resolv.conf, hostname), 0700. */
export const dataDirectory = (ctx: ContainerPorts, id: ContainerId): string =>
  `${ctx.settings.dataRoot}/containers/${id}`;
/** The directory of what lives only as long as the host is up: OCI bundle, monitor files. */
export const runDirectory = (ctx: ContainerPorts, id: ContainerId): string =>
  `${ctx.settings.execRoot}/containers/${id.slice(0, 20)}`;
export const logPath = (ctx: ContainerPorts, id: ContainerId): string => `${dataDirectory(ctx, id)}/container.log`;

/** An event about a container, with the attributes that Docker gives all of them. */
export function containerEvent(
  record: ContainerRecord,
  action: string,
  more: Readonly<Record<string, string>> = {},
): EventInput {
  return {
    type: 'container',
    action,
    actorId: record.id,
    attributes: { ...record.config.Labels, ...more, image: record.config.Image, name: record.name },
  };
}

/** The entry shows the change at once; the promise resolves when it and its events are durable. */
export async function commitRecord(
  ctx: ContainerContext,
  entry: ContainerEntry,
  change: Partial<ContainerRecord>,
  events: readonly EventInput[] = [],
  options: { readonly mayWait?: boolean } = {},
): Promise<void> {
  const record = { ...entry.record, ...change };
  entry.record = record;
  await ctx.journal.commit({
    records: [{ op: 'put', kind: containerKind, id: record.id, value: encodeRecord(record) }],
    events,
    ...options,
  });
}

/** Tells of something that changes no record; nobody waits until the journal has it, the order of events is kept. */
export function emit(
  ctx: ContainerContext,
  entry: ContainerEntry,
  action: string,
  more: Readonly<Record<string, string>> = {},
): void {
  tell(ctx, entry, [containerEvent(entry.record, action, more)]);
}

/** The same for events of what the container uses. */
export function tell(ctx: ContainerContext, { id }: ContainerEntry, events: readonly EventInput[]): void {
  const [first] = events;
  if (first === undefined) return;
  ctx.journal.commit({ events, mayWait: true }).catch((error: unknown) => {
    ctx.log.error('an event could not be journalled', {
      container: id,
      action: first.action,
      error: messageOf(error),
    });
  });
}

/** Lets `task` go on unwatched by its caller; failures are logged, shutdown waits for it. */
export function inBackground(
  ctx: ContainerContext,
  what: string,
  id: ContainerId,
  task: () => Promise<void>,
): Promise<void> {
  const running = task().catch((error: unknown) => {
    ctx.log.error(`${what} failed`, { container: id, error: messageOf(error) });
  });
  ctx.background.add(running);
  void running.finally(() => ctx.background.delete(running));
  return running;
}
