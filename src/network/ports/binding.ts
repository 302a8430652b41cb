import { EngineError, invalid } from '../../base/errors.ts';
import type { PortBinding, PortMap } from '../../spec/engine/container.ts';
import { formatAddress, parseAddress, parseDecimal } from '../../base/address.ts';
import { accessOf, formatFrom, type PortAccess, parseFrom } from './access.ts';

export type PortProtocol = 'tcp' | 'udp' | 'sctp';

/** A port of a container: `80/tcp`. */
export interface ContainerPort {
  readonly port: number;
  readonly protocol: PortProtocol;
}

/** A wish for one host port. */
export interface PortRequest extends ContainerPort, PortAccess {
  /** The same port on each of these; 0.0.0.0 and `::` stand for all addresses of their kind. */
  readonly hostIps: readonly string[];
  /** One port out of these, first to last, inclusive; undefined for any free one. */
  readonly hostPorts: readonly [number, number] | undefined;
}

/** A host port that leads to a port of a container; 0 for one that is reached by the container's own address only. */
export interface PublishedPort extends ContainerPort, PortAccess {
  readonly hostIp: string;
  readonly hostPort: number;
}

export const portKey = (port: ContainerPort): string => `${port.port}/${port.protocol}`;

const badPort = (text: string) => invalid(`invalid port specification: ${JSON.stringify(text.slice(0, 100))}`);

/** `80`, `80/tcp`, `53/UDP`. @throws EngineError `invalid`. */
export function parseContainerPort(text: string): ContainerPort {
  const slash = text.indexOf('/');
  const port = parseDecimal(slash < 0 ? text : text.slice(0, slash));
  if (port === undefined || port < 1 || port > 65535) throw badPort(text);
  const protocol = slash < 0 ? 'tcp' : text.slice(slash + 1).toLowerCase();
  if (protocol !== 'tcp' && protocol !== 'udp' && protocol !== 'sctp') {
    throw invalid(`invalid proto: ${protocol.slice(0, 100)}`);
  }
  return { port, protocol };
}

/** A port, or a range `8000-8010`; undefined for empty and 0. */
function parseHostPorts(text: string): readonly [number, number] | undefined {
  if (text === '' || text === '0') return undefined;
  const dash = text.indexOf('-');
  const first = parseDecimal(dash < 0 ? text : text.slice(0, dash));
  const last = dash < 0 ? first : parseDecimal(text.slice(dash + 1));
  if (first === undefined || last === undefined || first < 1 || last > 65535 || first > last) throw badPort(text);
  return [first, last];
}

/**
 * The addresses that a binding means. Without one they are the defaults, and without these all of IPv4, and of IPv6 too
 * where that is possible. @throws EngineError `invalid`
 */
function parseHostIps(
  text: string,
  protocol: PortProtocol,
  abilities: PortAbilities,
  defaults: readonly string[],
): readonly string[] {
  const ipv6 = abilities.ipv6Targets || (abilities.proxy && protocol !== 'sctp');
  if (text !== '') return [parseHostIp(text, protocol, ipv6)];
  if (defaults.length === 0) return ipv6 ? ['0.0.0.0', '::'] : ['0.0.0.0'];
  return defaults.map((one) => parseHostIp(one, protocol, ipv6));
}

function parseHostIp(text: string, protocol: PortProtocol, ipv6: boolean): string {
  const address = parseAddress(text);
  if (address === undefined) throw invalid(`invalid IP address: ${text.slice(0, 60)}`);
  if (address.family === 6 && !ipv6) {
    throw new EngineError('not-implemented', `publishing ${protocol} ports on IPv6 addresses is not supported`);
  }
  return formatAddress(address);
}

/** What ports can be published on besides IPv4 addresses. */
export interface PortAbilities {
  /** The proxy process serves IPv6 clients of TCP and UDP ports. */
  readonly proxy: boolean;
  /** The container may have IPv6 of its own. */
  readonly ipv6Targets: boolean;
}

/** What bindings have that do not say. */
export interface PortDefaults extends PortAccess {
  /** The host's addresses; all when empty. */
  readonly hostIps: readonly string[];
}

const noDefaults: PortDefaults = { hostIps: [] };

export interface PortPlan {
  /** What is to be published; fixed ports first, so that they are not given out as any free one. */
  readonly requests: readonly PortRequest[];
  /** All exposed ports, published or not. */
  readonly exposed: readonly ContainerPort[];
}

/**
 * What a container's exposed ports and wanted bindings come to. A port without bindings is published on any free host
 * port when `publishAll` says so.
 * @throws EngineError `invalid`, naming the malformed port or address.
 */
export function planPorts(
  wanted: {
    readonly exposedPorts: readonly string[];
    readonly portBindings: PortMap;
    readonly publishAll: boolean;
  },
  abilities: PortAbilities,
  defaults: PortDefaults = noDefaults,
): PortPlan {
  const exposed = new Map<string, ContainerPort>();
  const requests: PortRequest[] = [];
  const withBindings = new Set<string>();
  for (const [text, bindings] of Object.entries(wanted.portBindings)) {
    const port = parseContainerPort(text);
    exposed.set(portKey(port), port);
    for (const binding of bindings ?? []) {
      withBindings.add(portKey(port));
      const hostPorts = parseHostPorts(binding.HostPort);
      const hostIps = parseHostIps(binding.HostIp, port.protocol, abilities, defaults.hostIps);
      requests.push({ ...port, hostIps, hostPorts, ...accessIn(binding, defaults) });
    }
  }
  for (const text of wanted.exposedPorts) {
    const port = parseContainerPort(text);
    exposed.set(portKey(port), port);
  }
  if (wanted.publishAll) {
    for (const [key, port] of exposed) {
      if (withBindings.has(key)) continue;
      const hostIps = parseHostIps('', port.protocol, abilities, defaults.hostIps);
      requests.push({ ...port, hostIps, hostPorts: undefined, ...accessOf(defaults) });
    }
  }
  const choices = ({ hostPorts }: PortRequest): number =>
    hostPorts === undefined ? Number.POSITIVE_INFINITY : hostPorts[1] - hostPorts[0];
  const byPort = [...exposed.values()].sort((a, b) => a.port - b.port || a.protocol.localeCompare(b.protocol));
  return {
    requests: requests.sort((a, b) => (choices(a) < choices(b) ? -1 : choices(a) > choices(b) ? 1 : 0)),
    exposed: byPort,
  };
}

/** What a binding says itself counts alone. @throws EngineError `invalid` */
function accessIn({ From, HostRules }: PortBinding, defaults: PortAccess): PortAccess {
  return accessOf({
    from: From === undefined ? defaults.from : parseFrom(From),
    hostRules: HostRules ?? defaults.hostRules,
  });
}

/** Docker's `NetworkSettings.Ports`: null for ports that are exposed only. */
export function portMapOf(exposed: readonly ContainerPort[], published: readonly PublishedPort[]): PortMap {
  const map: PortMap = Object.create(null);
  for (const port of exposed) map[portKey(port)] = null;
  for (const port of published) {
    const bindings = (map[portKey(port)] ??= []);
    bindings.push({
      HostIp: port.hostIp,
      HostPort: port.hostPort === 0 ? '' : String(port.hostPort),
      ...(port.from === undefined ? {} : { From: formatFrom(port.from) }),
      ...(port.hostRules === true ? { HostRules: true } : {}),
    });
  }
  return map;
}

/** The published ports in a stored `Ports`; what does not parse is left out. */
export function publishedIn(map: PortMap): PublishedPort[] {
  const published: PublishedPort[] = [];
  for (const [text, bindings] of Object.entries(map)) {
    for (const binding of bindings ?? []) {
      const { HostIp, HostPort } = binding;
      const hostPort = HostPort === '' ? 0 : parseDecimal(HostPort);
      if (hostPort !== undefined && parseAddress(HostIp) !== undefined) {
        published.push({ ...parseContainerPort(text), hostIp: HostIp, hostPort, ...accessIn(binding, {}) });
      }
    }
  }
  return published;
}
