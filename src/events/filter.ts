import type { EventInput } from '../spec/engine/event.ts';
import { exactlyMatches, type Filters, filterValues } from '../spec/engine/filters.ts';

/** Actions with a text behind a colon (`exec_start: sh -c ...`): naming one of these alone matches by prefix. */
const actionsWithDetail: ReadonlySet<string> = new Set(['health_status', 'exec_create', 'exec_start']);

/** Object filters that match the actor's id or name, by prefix. */
const byActor = ['container', 'volume', 'network', 'daemon', 'plugin', 'node', 'service', 'secret', 'config'];

/**
 * Docker's rules for `GET /events?filters=`. The key of every filter must be matched by one of its values, except
 * labels, of which all must match. An object filter (`container=web`) also leaves out events of other types.
 */
export function matchesEvent(filters: Filters, event: EventInput): boolean {
  if (filters.size === 0) return true;
  return (
    exactlyMatches(filters, 'type', event.type) &&
    // Everything that this engine reports happens on this host.
    exactlyMatches(filters, 'scope', 'local') &&
    matchesAction(filters, event.action) &&
    byActor.every((key) => matchesActor(filters, key, event)) &&
    matchesImage(filters, event) &&
    matchesLabels(filters, event.attributes)
  );
}

function matchesAction(filters: Filters, action: string): boolean {
  const values = filterValues(filters, 'event');
  if (values === undefined) return true;
  const byPrefix = values.some((value) => actionsWithDetail.has(value));
  return values.some((value) => (byPrefix ? action.startsWith(value) : action === value));
}

function matchesActor(filters: Filters, key: string, event: EventInput): boolean {
  const values = filterValues(filters, key);
  if (values === undefined) return true;
  const name = event.attributes['name'] ?? '';
  return values.some((value) => event.actorId.startsWith(value) || name.startsWith(value));
}

/** An image is meant by its id or name, with or without the tag; containers carry the name of theirs. */
function matchesImage(filters: Filters, event: EventInput): boolean {
  const values = filterValues(filters, 'image');
  if (values === undefined) return true;
  const name = event.attributes[event.type === 'image' ? 'name' : 'image'] ?? '';
  return values.some((value) => [event.actorId, name, withoutTag(event.actorId), withoutTag(name)].includes(value));
}

function withoutTag(reference: string): string {
  const digest = reference.indexOf('@');
  const name = digest < 0 ? reference : reference.slice(0, digest);
  const colon = name.lastIndexOf(':');
  return colon > name.lastIndexOf('/') ? name.slice(0, colon) : name;
}

function matchesLabels(filters: Filters, attributes: Readonly<Record<string, string>>): boolean {
  return (filterValues(filters, 'label') ?? []).every((wanted) => {
    const at = wanted.indexOf('=');
    const key = at < 0 ? wanted : wanted.slice(0, at);
    return Object.hasOwn(attributes, key) && (at < 0 || attributes[key] === wanted.slice(at + 1));
  });
}
