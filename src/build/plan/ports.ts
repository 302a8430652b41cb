import { invalid } from '../../base/errors.ts';
import { parseAddress } from '../../base/address.ts';
import { goQuote } from '../../base/text/quote.ts';

/** A word of EXPOSE. */
export interface ExposedPorts {
  /** `80/tcp`, each port of a range. */
  readonly ports: readonly string[];
  /** The protocol is not written in lower case. */
  readonly hasUpperCase: boolean;
  /** It names an address or a port of the host, which EXPOSE has no use for. */
  readonly hasHost: boolean;
}

/** Reads `[[address:]host-port:]port[-port][/protocol]`. @throws EngineError `invalid` */
export function parseExposed(word: string): ExposedPorts {
  const parts = word.split(':');
  const [container = '', host = ''] = [parts.at(-1), parts.at(-2)];
  const address = parts.slice(0, -2).join(':');
  const slash = container.indexOf('/');
  const range = slash < 0 ? container : container.slice(0, slash);
  const protocol = slash < 0 ? 'tcp' : container.slice(slash + 1) || 'tcp';
  if (range === '') throw invalid(`invalid port: ${goQuote(word)}: no port specified`);
  if (!['tcp', 'udp', 'sctp'].includes(protocol.toLowerCase())) {
    throw invalid(`invalid port: ${goQuote(word)}: invalid proto: ${protocol}`);
  }
  checkAddress(address);
  const ports = portRange(range);
  if (ports === undefined) throw invalid(`invalid containerPort: ${range}`);
  if (host !== '') checkHost(host, range, ports);
  return {
    ports: Array.from(
      { length: ports.last - ports.first + 1 },
      (_, at) => `${ports.first + at}/${protocol.toLowerCase()}`,
    ),
    hasUpperCase: protocol !== protocol.toLowerCase(),
    hasHost: address !== '' || host !== '',
  };
}

interface PortRange {
  readonly first: number;
  readonly last: number;
}

function checkAddress(address: string): void {
  const bare = address.startsWith('[') && address.endsWith(']') ? address.slice(1, -1) : address;
  if (address !== '' && parseAddress(bare) === undefined) throw invalid(`invalid IP address: ${bare}`);
}

function checkHost(host: string, range: string, { first, last }: PortRange): void {
  const ports = portRange(host);
  if (ports === undefined) throw invalid(`invalid hostPort: ${host}`);
  if (last !== first && ports.last - ports.first !== last - first) {
    throw invalid(`invalid ranges specified for container and host Ports: ${range} and ${host}`);
  }
}

function portRange(text: string): PortRange | undefined {
  const dash = text.indexOf('-');
  const first = port(dash < 0 ? text : text.slice(0, dash));
  const last = dash < 0 ? first : port(text.slice(dash + 1));
  return first === undefined || last === undefined || last < first ? undefined : { first, last };
}

function port(text: string): number | undefined {
  const number = /^[0-9]{1,5}$/.test(text) ? Number(text) : Number.NaN;
  return number <= 65_535 ? number : undefined;
}
