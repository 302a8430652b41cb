import type { statusResponse } from '../../../build/wire/control.ts';
import type { Message } from '../../../build/wire/message.ts';

/** What an engine tells of a build, piece by piece. */
export type StatusEvent = Message<typeof statusResponse>;
export type Vertex = StatusEvent['vertexes'][number];
export type Warning = StatusEvent['warnings'][number];
type Timestamp = NonNullable<Vertex['started']>;

/** Milliseconds since 1970. */
export const timeOf = ({ seconds, nanos }: Timestamp): number => seconds * 1000 + nanos / 1e6;

/** Shows a build while it runs. */
export interface ProgressDisplay {
  take(event: StatusEvent): void;
  /** Nothing more will come: whatever is left is shown, and the logs of what failed. */
  finish(): void;
}

/** A part of an event, for what happens on this side. */
export const emptyEvent: StatusEvent = { vertexes: [], statuses: [], logs: [], warnings: [] };
