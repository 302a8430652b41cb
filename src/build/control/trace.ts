import { createHash } from 'node:crypto';
import type { StatusEvent } from './job.ts';
import type { HistoryRecord } from './history-record.ts';

/** OpenTelemetry's spans as JSON, as BuildKit keeps them of a build. */
export const traceType = 'application/vnd.buildkit.otlp.json.v0';

const mostSpans = 5000;
/** OpenTelemetry's kind of a span that is neither a call nor an answer. */
const internalSpan = 1;

type Time = NonNullable<HistoryRecord['createdAt']>;

const isoOf = ({ seconds = 0, nanos = 0 }: Time): string => new Date(seconds * 1000 + nanos / 1e6).toISOString();
const text = (Key: string, Value: string) => ({ Key, Value: { Type: 'STRING', Value } });
const flag = (Key: string, Value: boolean) => ({ Key, Value: { Type: 'BOOL', Value } });
const idOf = (bytes: number, ...words: string[]): string =>
  createHash('sha256')
    .update(words.join('\0'))
    .digest('hex')
    .slice(0, bytes * 2);

/** The steps that events tell of, with their latest state. */
export class StepTimes {
  readonly #steps = new Map<string, NonNullable<StatusEvent['vertexes']>[number]>();

  take({ vertexes = [] }: StatusEvent): void {
    for (const vertex of vertexes) {
      const { digest = '' } = vertex;
      if (this.#steps.size < mostSpans || this.#steps.has(digest)) this.#steps.set(digest, vertex);
    }
  }

  /** A span for the build and one for each step that was begun, one JSON object a line. */
  trace(record: HistoryRecord): Uint8Array {
    const { ref, createdAt = {}, completedAt = createdAt, error } = record;
    const spans = [
      span(ref, ref, `build ${ref}`, { started: createdAt, completed: completedAt, error: error?.message }),
    ];
    for (const [digest, { name = '', started, completed = completedAt, cached = false, error: failed }] of this
      .#steps) {
      if (started === undefined) continue;
      const attributes = [text('vertex', digest), flag('cached', cached)];
      spans.push(span(ref, digest, name, { started, completed, error: failed, attributes }));
    }
    const [whole] = spans;
    if (whole !== undefined) whole.ChildSpanCount = spans.length - 1;
    return Buffer.from(spans.map((one) => `${JSON.stringify(one)}\n`).join(''));
  }
}

interface Timed {
  readonly started: Time;
  readonly completed: Time;
  readonly error: string | undefined;
  readonly attributes?: readonly object[];
}

function span(ref: string, id: string, Name: string, { started, completed, error = '', attributes = [] }: Timed) {
  const context = (SpanID: string) => ({
    TraceID: idOf(16, 'trace', ref),
    SpanID,
    TraceFlags: '01',
    TraceState: '',
    Remote: false,
  });
  const own = idOf(8, ref, id);
  const root = idOf(8, ref, ref);
  return {
    Name,
    SpanContext: context(own),
    Parent: own === root ? { ...context('0'.repeat(16)), TraceID: '0'.repeat(32), TraceFlags: '00' } : context(root),
    SpanKind: internalSpan,
    StartTime: isoOf(started),
    EndTime: isoOf(completed),
    Attributes: attributes,
    Events: null,
    Links: null,
    Status: error === '' ? { Code: 'Unset', Description: '' } : { Code: 'Error', Description: error },
    DroppedAttributes: 0,
    DroppedEvents: 0,
    DroppedLinks: 0,
    ChildSpanCount: 0,
    Resource: [text('service.name', 'gantry')],
    InstrumentationLibrary: { Name: 'gantry', Version: '', SchemaURL: '', Attributes: null },
  };
}
