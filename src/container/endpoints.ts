import type { EndpointSettings } from '../spec/engine/container.ts';
import type { ContainerEntry } from './entry.ts';
import type { ContainerRecord } from './record.ts';

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
  const known = views.get(record);
  if (known !== undefined) return known;
  const view = endpointsOf(record);
  views.set(record, view);
  return view;
}

/** By the record, which no change touches: each makes another one. Lists of hundreds of containers ask again and again. */
const views = new WeakMap<ContainerRecord, Readonly<Record<string, EndpointSettings>>>();

function endpointsOf(record: ContainerRecord): Readonly<Record<string, EndpointSettings>> {
  const last = record.sandbox?.endpoints ?? {};
  if (record.state.phase === 'running') return last;
  // A network that was named by its id is shown by its name once a run has found it.
  const hasOwn = Object.keys(record.endpoints).length > 0 || record.detached === true;
  const endpoints = !hasOwn && record.sandbox !== undefined ? last : plannedEndpoints(record);
  const shown = Object.entries(endpoints).map(([name, one]) => {
    const { NetworkID = one.NetworkID, DNSNames = one.DNSNames } = last[name] ?? {};
    return [name, { ...one, ...noAddresses, NetworkID, DNSNames }] as const;
  });
  return Object.fromEntries(shown);
}

/** What a container is to be on at its next start: the network of its mode, unless somebody said otherwise. */
export function plannedEndpoints({
  hostConfig,
  endpoints,
  detached,
}: Pick<ContainerRecord, 'hostConfig' | 'endpoints' | 'detached'>): Readonly<Record<string, EndpointSettings>> {
  const mode = hostConfig.NetworkMode;
  if (Object.keys(endpoints).length > 0 || detached === true || mode.startsWith('container:')) return endpoints;
  return { [mode === '' || mode === 'default' ? 'bridge' : mode]: noEndpoint };
}
