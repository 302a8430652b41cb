import type { PortBinding } from '../../spec/engine/container.ts';
import { CliError } from '../errors.ts';
import { cut, isIpAddress } from './validate.ts';

export interface PublishedPorts {
  readonly exposed: Record<string, Record<string, never>>;
  readonly bindings: Record<string, PortBinding[]>;
}

interface Range {
  readonly first: number;
  readonly last: number;
}

function readRange(text: string, what: string): Range {
  const { before, after, found } = cut(text, '-');
  const [first, last] = [before, found ? after : before].map((part) => (/^[0-9]+$/.test(part) ? Number(part) : -1));
  if (first === undefined || last === undefined || first < 0 || last < first || last > 65535) throw new CliError(what);
  return { first, last };
}

type Access = Pick<PortBinding, 'From' | 'HostRules'>;

/**
 * Reads all `-p` texts: `[[IP:]HOST[-RANGE]:]CONTAINER[-RANGE][/PROTOCOL]`, or `published=...,target=...,protocol=...`,
 * with `,from=PREFIX` any number of times and `,host-rules[=BOOL]` behind.
 */
export function readPorts(texts: readonly string[]): PublishedPorts {
  const ports: PublishedPorts = { exposed: {}, bindings: {} };
  for (const text of texts) {
    const { place, access } = splitAccess(text);
    addPort(ports, place.includes('=') ? shortForm(place) : place, access);
  }
  return ports;
}

/** Takes off what says who may reach the port. */
function splitAccess(text: string): { readonly place: string; readonly access: Access } {
  const access: Access = {};
  const place: string[] = [];
  for (const part of text.split(',')) {
    const { before, after, found } = cut(part, '=');
    if (before === 'from' && found) (access.From ??= []).push(after);
    else if (before === 'host-rules') access.HostRules = readSwitch(found ? after : 'true', part);
    else place.push(part);
  }
  return { place: place.join(','), access };
}

function readSwitch(text: string, part: string): boolean {
  if (text !== 'true' && text !== 'false')
    throw new CliError(`invalid publish option '${part}': expected true or false`);
  return text === 'true';
}

function shortForm(text: string): string {
  const values = new Map([['protocol', 'tcp']]);
  for (const part of text.split(',')) {
    const { before, after, found } = cut(part, '=');
    if (!found || before === '') {
      throw new CliError(`invalid publish opts format (should be name=value but got '${part}')`);
    }
    values.set(before, after);
  }
  return `${values.get('published') ?? ''}:${values.get('target') ?? ''}/${values.get('protocol') ?? ''}`;
}

function addPort(ports: PublishedPorts, text: string, access: Access): void {
  const parts = text.split(':');
  const inner = parts.pop() as string;
  const host = parts.pop() ?? '';
  const ip = readIp(parts.join(':'));
  const { before: container, after: protocolText } = cut(inner, '/');
  if (container === '') throw new CliError(`no port specified: ${text}<empty>`);
  const protocol = protocolText === '' ? 'tcp' : protocolText.toLowerCase();
  const inside = readRange(container, `invalid containerPort: ${container}`);
  const outside = host === '' ? undefined : readRange(host, `invalid hostPort: ${host}`);
  const isSingle = inside.first === inside.last;
  if (outside !== undefined && !isSingle && outside.last - outside.first !== inside.last - inside.first) {
    throw new CliError(`invalid ranges specified for container and host Ports: ${container} and ${host}`);
  }
  if (!['tcp', 'udp', 'sctp'].includes(protocol)) throw new CliError(`invalid proto: ${protocolText}`);
  for (let number = inside.first; number <= inside.last; number++) {
    const key = `${number}/${protocol}`;
    ports.exposed[key] = {};
    (ports.bindings[key] ??= []).push({ HostIp: ip, HostPort: hostPort(inside, outside, number), ...access });
  }
}

function hostPort(inside: Range, outside: Range | undefined, number: number): string {
  if (outside === undefined) return '';
  // One port and a range of the host: any free one of them.
  if (inside.first === inside.last && outside.first !== outside.last) return `${outside.first}-${outside.last}`;
  return String(outside.first + number - inside.first);
}

function readIp(text: string): string {
  const ip = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text;
  if (ip !== '' && !isIpAddress(ip)) throw new CliError(`invalid IP address: ${ip}`);
  return ip;
}

/** Adds `--expose PORT[-RANGE][/PROTOCOL]` to the exposed ports. */
export function addExposed(exposed: Record<string, Record<string, never>>, texts: readonly string[]): void {
  for (const text of texts) {
    if (text.includes(':')) throw new CliError(`invalid port format for --expose: ${text}`);
    const { before, after } = cut(text, '/');
    const bad = /^[0-9-]*$/.test(before) ? 'value out of range' : 'invalid syntax';
    const { first, last } = readRange(
      before,
      `invalid range format for --expose: ${text}, error: strconv.ParseUint: parsing ${JSON.stringify(before)}: ${bad}`,
    );
    for (let number = first; number <= last; number++) exposed[`${number}/${after === '' ? 'tcp' : after}`] ??= {};
  }
}
