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

/** An event as `GET /events` sends it, one JSON object a line. */
export interface EventMessage {
  /** Containers and images only, before API 1.52. */
  status?: string;
  id?: string;
  from?: string;
  Type: EventInput['type'];
  Action: string;
  Actor: { ID: string; Attributes: Readonly<Record<string, string>> };
  scope: 'local';
  /** Unix seconds. */
  time: number;
  /** Unix nanoseconds; in JSON a number with all its digits. */
  timeNano: unknown;
  /** Additions of this engine: the event's number in the journal. */
  Gantry: { Seq: number };
}
