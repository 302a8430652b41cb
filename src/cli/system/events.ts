import { evaluate, parse } from '../../base/text/template/evaluate.ts';
import { goJson, Struct } from '../../base/text/template/values.ts';
import { TemplateError } from '../../base/text/template/nodes.ts';
import { jsonTexts } from '../../client/stream.ts';
import { defineCommand, noArguments } from '../command.ts';
import { CliError } from '../errors.ts';
import { filtersJson, filterType, flag, types } from '../flags/types.ts';
import { inspectFormatHelp } from '../format/help.ts';
import { timestampText } from '../timestamp.ts';

/** An event as it comes over the wire. */
interface EventMessage {
  readonly status?: string;
  readonly id?: string;
  readonly from?: string;
  readonly Type: string;
  readonly Action: string;
  readonly Actor: { readonly ID: string; readonly Attributes: Readonly<Record<string, string>> | null };
  readonly scope?: string;
  readonly time?: number;
}

/** An event with what JSON.parse would lose: its time in nanoseconds, which no double holds. */
interface Received {
  readonly event: EventMessage;
  readonly timeNano: bigint;
}

const receive = (text: string): Received => ({
  event: JSON.parse(text) as EventMessage,
  // A quote inside of a value would have a backslash in front.
  timeNano: BigInt(/"timeNano":([0-9]+)/.exec(text)?.[1] ?? 0),
});

export const events = defineCommand({
  usage: '[OPTIONS]',
  summary: 'Show events as they happen, or those of a time span',
  aliases: ['gantry system events', 'gantry events'],
  flags: {
    filter: flag(filterType, 'Show only events that meet a condition', { short: 'f' }),
    format: flag(types.string, inspectFormatHelp),
    since: flag(types.string, 'Begin with the events after a time, or since a while ago'),
    'since-seq': flag(types.string, 'Begin with the event of a number (`Gantry.Seq`), to go on without a gap'),
    until: flag(types.string, 'End at a time, or at a while ago'),
  },
  args: noArguments,
  async run({ session, flags }) {
    const print = printer(flags.format);
    const query = {
      filters: filtersJson(flags.filter),
      since: flags.since === '' ? undefined : timestampText(flags.since, 'since'),
      'since-seq': flags['since-seq'] === '' ? undefined : flags['since-seq'],
      until: flags.until === '' ? undefined : timestampText(flags.until, 'until'),
    };
    const response = await session.client.request('GET', '/events', { query });
    for await (const text of jsonTexts(response.body)) session.out(`${print(receive(text))}\n`);
    return 0;
  },
});

function printer(format: string): (received: Received) => string {
  if (format === '') return plainText;
  if (format === 'json') return eventJson;
  const bad = (error: unknown): never => {
    if (error instanceof TemplateError) throw new CliError(`Error parsing format: ${error.message}`, 64);
    throw error;
  };
  try {
    const template = parse(format);
    evaluate(template, eventStruct(receive('{"Type":"","Action":"","Actor":{"ID":""}}')));
    return (received) => evaluate(template, eventStruct(received));
  } catch (error) {
    return bad(error);
  }
}

/** The fields under the names that Go templates use for them. */
function eventStruct(received: Received): Struct {
  const { event, timeNano } = received;
  const actor = new Map<string, unknown>([
    ['ID', event.Actor.ID],
    ['Attributes', new Map(Object.entries(event.Actor.Attributes ?? {}))],
  ]);
  const fields = new Map<string, unknown>([
    ['Status', event.status ?? ''],
    ['ID', event.id ?? ''],
    ['From', event.from ?? ''],
    ['Type', event.Type],
    ['Action', event.Action],
    ['Actor', new Struct('events.Actor', actor, () => actorJson(event))],
    ['Scope', event.scope ?? ''],
    ['Time', event.time ?? 0],
    ['TimeNano', timeNano],
  ]);
  return new Struct('*events.Message', fields, () => eventJson(received));
}

const actorJson = ({ Actor }: EventMessage): string =>
  `{"ID":${JSON.stringify(Actor.ID)},"Attributes":${goJson(Actor.Attributes)}}`;

/** The event's fields in the engine's order, with sorted attributes and all digits of the time. */
function eventJson({ event, timeNano }: Received): string {
  const fields = Object.entries(event).map(([name, value]) => {
    const text =
      name === 'Actor' ? actorJson(event) : name === 'timeNano' ? timeNano.toString() : JSON.stringify(value);
    return `${JSON.stringify(name)}:${text}`;
  });
  return `{${fields.join(',')}}`;
}

function plainText(received: Received): string {
  const { event } = received;
  const attributes = Object.entries(event.Actor.Attributes ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`);
  const tail = attributes.length === 0 ? '' : ` (${attributes.join(', ')})`;
  return `${timeText(received)}${event.Type} ${event.Action} ${event.Actor.ID}${tail}`;
}

const two = (value: number): string => String(value).padStart(2, '0');

/** Local time with nine digits of a second and the zone, and a blank. */
function timeText({ event: { time = 0 }, timeNano }: Received): string {
  if (time === 0 && timeNano === 0n) return '';
  const seconds = timeNano === 0n ? time : Number(timeNano / 1_000_000_000n);
  const date = new Date(seconds * 1000);
  const minutes = -date.getTimezoneOffset();
  const size = Math.abs(minutes);
  const zone = minutes === 0 ? 'Z' : `${minutes < 0 ? '-' : '+'}${two(Math.trunc(size / 60))}:${two(size % 60)}`;
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  const fraction = String(timeNano % 1_000_000_000n);
  return `${day}T${clock}.${fraction.padStart(9, '0')}${zone} `;
}
