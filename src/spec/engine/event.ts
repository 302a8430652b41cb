/** What happened to what (Docker Engine API, `GET /events`). */
export interface EventInput {
  readonly type: 'container' | 'image' | 'volume' | 'network' | 'daemon' | 'builder' | 'plugin';
  /** `create`, `start`, `die`, `exec_create: sh -c ...`, ... */
  readonly action: string;
  readonly actorId: string;
  readonly attributes: Readonly<Record<string, string>>;
}
/** An event with its place in the journal: `seq` rises by one, also across restarts; `timeNs` is the wall clock. */
export interface JournalEvent extends EventInput {
  readonly seq: number;
  readonly timeNs: bigint;
}
