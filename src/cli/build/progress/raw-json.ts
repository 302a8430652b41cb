import type { ProgressDisplay, StatusEvent, Vertex, Warning } from './events.ts';

/** Each event as a line of JSON, with the names and shapes of BuildKit's client. */
export const rawJsonDisplay = (write: (text: string) => void): ProgressDisplay => ({
  take: (event) => write(`${JSON.stringify(plainEvent(event))}\n`),
  finish: () => undefined,
});

type Timestamp = NonNullable<Vertex['started']>;

/** RFC 3339 with nanoseconds, without zeros at their end. */
function timeText({ seconds, nanos }: Timestamp): string {
  const whole = new Date(seconds * 1000).toISOString().slice(0, 19);
  const fraction = nanos === 0 ? '' : `.${String(nanos).padStart(9, '0').replace(/0+$/, '')}`;
  return `${whole}${fraction}Z`;
}
const orNothing = (time: Timestamp | undefined): string | undefined =>
  time === undefined ? undefined : timeText(time);
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
const list = <T>(items: readonly T[]): readonly T[] | undefined => (items.length === 0 ? undefined : items);
const orOmitted = <T>(value: T): T | undefined => (value === '' || value === 0 || value === false ? undefined : value);

const plainEvent = ({ vertexes, statuses, logs, warnings }: StatusEvent) => ({
  vertexes: list(vertexes.map(plainVertex)),
  statuses: list(
    statuses.map(({ id, vertex, name, total, current, timestamp, started, completed }) => ({
      id,
      vertex,
      name: orOmitted(name),
      total: orOmitted(total),
      current,
      timestamp: orNothing(timestamp),
      started: orNothing(started),
      completed: orNothing(completed),
    })),
  ),
  logs: list(
    logs.map(({ vertex, stream, msg, timestamp }) => ({
      vertex,
      stream: orOmitted(stream),
      data: base64(msg),
      timestamp: orNothing(timestamp),
    })),
  ),
  warnings: list(warnings.map(plainWarning)),
});

/** The same of a warning; also for the file that says what was made. */
export const plainWarning = ({ vertex, level, short, detail, url, info, ranges }: Warning) => ({
  vertex,
  level: orOmitted(level),
  short: base64(short),
  detail: list(detail.map(base64)),
  url: orOmitted(url),
  sourceInfo:
    info === undefined ? undefined : { filename: info.filename, data: base64(info.data), language: info.language },
  range: list(ranges),
});

const plainVertex = ({ digest, inputs, name, started, completed, cached, error, progressGroup }: Vertex) => ({
  digest,
  inputs: list(inputs),
  name,
  started: orNothing(started),
  completed: orNothing(completed),
  cached: orOmitted(cached),
  error: orOmitted(error),
  progressGroup,
});
