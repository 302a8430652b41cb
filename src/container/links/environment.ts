import type { ContainerContext } from '../context.ts';
import type { ContainerEntry } from '../entry.ts';
import { type LinkedContainer, linkedContainers, linkName } from './links.ts';

interface Port {
  readonly number: number;
  readonly protocol: string;
}

/**
 * The variables that links bring: for each exposed port of the other container where to reach it, its name, and its own
 * variables, all with the alias in front.
 */
export const linkEnvironment = (ctx: ContainerContext, entry: ContainerEntry, which: 'all' | 'running'): string[] =>
  linkedContainers(ctx, entry, which).flatMap((linked) => variablesOf(entry, linked));

function variablesOf(entry: ContainerEntry, { link, entry: other, addresses }: LinkedContainer): string[] {
  const prefix = link.alias.toUpperCase().replaceAll('-', '_');
  const address = addresses[0] ?? '';
  const ports = sortedPorts(Object.keys(other.record.config.ExposedPorts ?? {}));
  const first = ports[0];
  const own = other.record.config.Env.filter((variable) => isHandedOn(variable));
  return [
    ...(first === undefined ? [] : [`${prefix}_PORT=${urlOf(first, address)}`]),
    ...ports.flatMap((port) => portVariables(prefix, port, address)),
    ...runsOf(ports).flatMap(([start, end]) => runVariables(prefix, start, end, address)),
    `${prefix}_NAME=${linkName(entry, link)}`,
    ...own.map((variable) => `${prefix}_ENV_${variable}`),
  ];
}

const isHandedOn = (variable: string): boolean =>
  variable.includes('=') && !variable.startsWith('HOME=') && !variable.startsWith('PATH=');

const urlOf = ({ number, protocol }: Port, address: string): string => `${protocol}://${address}:${number}`;
const nameOf = (prefix: string, { number, protocol }: Port): string =>
  `${prefix}_PORT_${number}_${protocol.toUpperCase()}`;

function portVariables(prefix: string, port: Port, address: string): string[] {
  const name = nameOf(prefix, port);
  return [
    `${name}=${urlOf(port, address)}`,
    `${name}_ADDR=${address}`,
    `${name}_PORT=${port.number}`,
    `${name}_PROTO=${port.protocol}`,
  ];
}

function runVariables(prefix: string, start: Port, end: Port, address: string): string[] {
  const name = nameOf(prefix, start);
  return [
    `${name}_START=${urlOf(start, address)}`,
    `${name}_PORT_START=${start.number}`,
    `${name}_END=${urlOf(end, address)}`,
    `${name}_PORT_END=${end.number}`,
  ];
}

/** TCP first, then by protocol, then by number. */
function sortedPorts(specs: readonly string[]): Port[] {
  const rank = (protocol: string): string => (protocol === 'tcp' ? '' : protocol);
  return specs
    .map((spec) => {
      const [number = '', protocol = 'tcp'] = spec.split('/');
      return { number: Number(number), protocol };
    })
    .sort((a, b) => (a.protocol === b.protocol ? a.number - b.number : rank(a.protocol) < rank(b.protocol) ? -1 : 1));
}

/** Where two or more numbers of one protocol follow each other: the first and the last of them. */
function runsOf(ports: readonly Port[]): (readonly [Port, Port])[] {
  const runs: [Port, Port][] = [];
  for (const port of ports) {
    const last = runs.at(-1);
    const follows = last !== undefined && last[1].protocol === port.protocol && last[1].number + 1 === port.number;
    if (follows) last[1] = port;
    else runs.push([port, port]);
  }
  return runs.filter(([start, end]) => start !== end);
}
