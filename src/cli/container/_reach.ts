import type { EngineClient } from '../../client/client.ts';
import type { ContainerSummary, EndpointSettings, PortSummary } from '../../spec/engine/container.ts';
import type { NetworkView } from '../../spec/engine/network.ts';
import { formatRows, type RowKind } from '../format/rows.ts';

/** One way to a port of a container, and for whom it is. */
export interface Reach {
  readonly container: string;
  /** `80/tcp` */
  readonly port: string;
  readonly at: string;
  readonly by: string;
}

const rows: RowKind<Reach> = {
  goType: '*formatter.ReachContext',
  columns: {
    Container: { header: 'CONTAINER', of: ({ container }) => container },
    Port: { header: 'PORT', of: ({ port }) => port },
    At: { header: 'REACHED AT', of: ({ at }) => at },
    By: { header: 'BY', of: ({ by }) => by },
  },
};

/** The output of `ps --ports`. */
export async function showReach(
  client: EngineClient,
  containers: readonly ContainerSummary[],
  format: string,
): Promise<string> {
  const networks = await client.json<NetworkView[]>('GET', '/networks');
  const byName = new Map(networks.map((network) => [network.Name, network]));
  const all = containers.filter(({ State }) => State === 'running' || State === 'paused');
  return formatRows(
    format,
    rows,
    ['Container', 'Port', 'At', 'By'],
    all.flatMap((container) => reachOf(container, byName)),
  );
}

/** All ways to a container's ports: those of the host first, then by its own addresses. */
export function reachOf(container: ContainerSummary, networks: ReadonlyMap<string, NetworkView>): Reach[] {
  const name = (container.Names[0] ?? container.Id).replace(/^\//, '');
  const { NetworkMode } = container.HostConfig;
  if (NetworkMode === 'host') {
    return [{ container: name, port: 'all', at: "the host's addresses", by: "whoever the host's own rules let in" }];
  }
  const endpoints = Object.entries(container.NetworkSettings.Networks);
  const ways: Reach[] = [];
  for (const port of container.Ports.toSorted(byNumber)) {
    const text = `${port.PrivatePort}/${port.Type}`;
    if (port.IP === undefined || port.PublicPort === undefined || port.PublicPort === 0) continue;
    ways.push({ container: name, port: text, at: place(port.IP, port.PublicPort), by: publishedFor(port, port.IP) });
  }
  const ports = [...new Map(container.Ports.map((port) => [`${port.PrivatePort}/${port.Type}`, port])).values()];
  for (const port of ports.toSorted(byNumber)) {
    for (const [networkName, endpoint] of endpoints) {
      const network = networks.get(networkName);
      if (network === undefined) continue;
      const direct = container.Ports.filter(
        (one) => one.PrivatePort === port.PrivatePort && one.Type === port.Type && one.PublicPort === 0,
      );
      ways.push(...ownWays(name, port, { network, endpoint, direct }));
    }
  }
  return ways;
}

const byNumber = (a: PortSummary, b: PortSummary): number =>
  a.PrivatePort - b.PrivatePort || compareText(a.Type, b.Type) || compareText(a.IP ?? '', b.IP ?? '');
const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const place = (ip: string, port: number): string => (ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`);

const isLoopback = (ip: string): boolean => ip === '::1' || ip.startsWith('127.');
const isAny = (ip: string): boolean => ip === '0.0.0.0' || ip === '::';

function publishedFor({ From, HostRules }: PortSummary, ip: string): string {
  if (isLoopback(ip)) return 'this host';
  const clients = clientsOf(From, ip.includes(':'), isAny(ip) ? 'everyone' : 'everyone who reaches that address');
  if (clients === 'this host' || HostRules !== true) return clients;
  return `${clients}, if the host's own rules let them in`;
}

function clientsOf(from: readonly string[] | undefined, ipv6: boolean, everyone: string): string {
  if (from === undefined) return everyone;
  return [...from.filter((prefix) => prefix.includes(':') === ipv6), 'this host'].join(', ');
}

const option = ({ Options }: NetworkView, name: string): string | undefined =>
  Options[`com.docker.network.bridge.${name}`];

/** By the container's own addresses on one network. */
function ownWays(
  container: string,
  port: PortSummary,
  on: {
    readonly network: NetworkView;
    readonly endpoint: EndpointSettings;
    /** Where it is published for its own address, in the gateway mode `routed`. */
    readonly direct: readonly PortSummary[];
  },
): Reach[] {
  const { network, endpoint, direct } = on;
  return [endpoint.IPAddress, endpoint.GlobalIPv6Address]
    .filter((address) => address !== undefined && address !== '')
    .map((address) => ({
      container,
      port: `${port.PrivatePort}/${port.Type}`,
      at: place(address, port.PrivatePort),
      by: neighboursOf(network, address, direct),
    }));
}

function neighboursOf(network: NetworkView, address: string, direct: readonly PortSummary[]): string {
  if (network.Driver !== 'bridge') return `everyone on the network of ${network.Options['parent'] ?? 'its parent'}`;
  const isApart = option(network, 'enable_icc') === 'false';
  const ipv6 = address.includes(':');
  const mode = option(network, `gateway_mode_ipv${ipv6 ? 6 : 4}`);
  const inside = [...(isApart ? [] : [`containers of ${network.Name}`]), ...(mode === 'isolated' ? [] : ['this host'])];
  if (network.Internal) return inside.join(', ') || 'nobody';
  if (mode === 'nat-unprotected') return 'everyone who routes to it';
  const published = direct.find(({ IP = '' }) => IP.includes(':') === ipv6);
  if (mode === 'routed' && published !== undefined) {
    return published.From === undefined
      ? 'everyone who routes to it'
      : [...published.From.filter((prefix) => prefix.includes(':') === ipv6), ...inside].join(', ');
  }
  return inside.join(', ') || 'nobody';
}
