import type { EndpointSettings } from '../spec/engine/container.ts';
import type { ContainerEntry } from './entry.ts';

/** What only a running container has. */
const noAddresses = {
  EndpointID: '',
  Gateway: '',
  GlobalIPv6Address: '',
  GlobalIPv6PrefixLen: 0,
  IPAddress: '',
  IPPrefixLen: 0,
  IPv6Gateway: '',
  MacAddress: '',
} as const satisfies Partial<EndpointSettings>;

/** An endpoint of a container that nobody described. */
export const noEndpoint: EndpointSettings = {
  ...noAddresses,
  IPAMConfig: null,
  Links: null,
  Aliases: null,
  DriverOpts: null,
  GwPriority: 0,
  NetworkID: '',
  DNSNames: null,
};

/**
 * The networks of a container by name, as `ps` and `inspect` show them: with addresses while it runs; before and
 * afterwards the networks stay with empty addresses, as in Docker.
 */
export function viewEndpoints({ record }: ContainerEntry): Readonly<Record<string, EndpointSettings>> {
  const endpoints = record.sandbox?.endpoints ?? plannedEndpoints(record.hostConfig.NetworkMode, record.endpoints);
  if (record.state.phase === 'running') return endpoints;
  return Object.fromEntries(Object.entries(endpoints).map(([name, one]) => [name, { ...one, ...noAddresses }]));
}

function plannedEndpoints(
  mode: string,
  wanted: Readonly<Record<string, EndpointSettings>>,
): Readonly<Record<string, EndpointSettings>> {
  if (Object.keys(wanted).length > 0 || mode.startsWith('container:')) return wanted;
  return { [mode === '' || mode === 'default' ? 'bridge' : mode]: noEndpoint };
}
