import type { EventMessage, JournalEvent } from '../../spec/engine/event.ts';

/** An event as `GET /events` sends it to a client of API 1.`minor`. */
export function eventView(event: JournalEvent, minor: number): EventMessage {
  const { type, action, actorId, attributes, timeNs, seq } = event;
  // Before 1.52, what the events of containers and images had in the beginning was still there beside the new fields.
  const legacy = minor < 52 && (type === 'container' || type === 'image');
  const image = type === 'container' ? attributes['image'] : undefined;
  return {
    ...(legacy ? { status: action, id: actorId } : {}),
    ...(legacy && image !== undefined ? { from: image } : {}),
    Type: type,
    Action: action,
    Actor: { ID: actorId, Attributes: attributes },
    scope: 'local',
    time: Number(timeNs / 1_000_000_000n),
    timeNano: nanoseconds(timeNs),
    Gantry: { Seq: seq },
  };
}

/** `JSON.rawJSON` (ES2026) is not among TypeScript's declarations yet. */
const { rawJSON } = JSON as unknown as { rawJSON(this: void, text: string): unknown };

/** A double cannot hold nanoseconds since 1970: their digits go into the JSON text as they are. */
const nanoseconds = (timeNs: bigint): unknown => rawJSON(timeNs.toString());
