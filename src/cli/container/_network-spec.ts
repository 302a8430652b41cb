import { invalid } from '../../base/errors.ts';
import { csvFields } from '../../base/text/csv.ts';
import { emptyEndpointSettings } from '../../spec/engine/empty-config.ts';
import { rateOptions } from '../../spec/engine/network.ts';
import { CliError } from '../errors.ts';
import { checkMac } from '../mac-address.ts';
import { parsedBy, parseInteger } from '../flags/types.ts';
import { cut } from './validate.ts';

/** One `--network`, with its options. */
export interface NetworkAttachment {
  readonly target: string;
  readonly aliases: readonly string[];
  readonly links: readonly string[];
  readonly driverOpts: Readonly<Record<string, string>>;
  readonly ipv4: string;
  readonly ipv6: string;
  readonly linkLocal: readonly string[];
  readonly mac: string;
  readonly gwPriority: number;
}

const plain = (target: string): NetworkAttachment => ({
  target,
  aliases: [],
  links: [],
  driverOpts: {},
  ipv4: '',
  ipv6: '',
  linkLocal: [],
  mac: '',
  gwPriority: 0,
});

/** `--network NAME`, or `--network name=...,alias=...,ip=...`. */
export const networkType = parsedBy<NetworkAttachment[]>('network', [], (text, current) => [
  ...current,
  /\w=\w/.test(text) ? longForm(text) : plain(text),
]);

function longForm(text: string): NetworkAttachment {
  let network = plain('');
  for (const field of csvFields(text)) {
    const { before, after, found } = cut(field.toLowerCase(), '=');
    if (!found || before === '') throw invalid(`invalid field ${field.toLowerCase()}`);
    network = withField(network, before.trim(), after.trim());
  }
  if (network.target === '') throw invalid('network name/id is not specified');
  return network;
}

function withField(network: NetworkAttachment, key: string, value: string): NetworkAttachment {
  switch (key) {
    case 'name':
      return { ...network, target: value };
    case 'alias':
      return { ...network, aliases: [...network.aliases, value] };
    case 'ip':
      return { ...network, ipv4: value };
    case 'ip6':
      return { ...network, ipv6: value };
    case 'mac-address':
      return { ...network, mac: value };
    case 'link-local-ip':
      return { ...network, linkLocal: [...network.linkLocal, value] };
    case 'driver-opt': {
      const { before, after, found } = cut(value, '=');
      if (!found || before === '') throw invalid('invalid key value pair format in driver options');
      return { ...network, driverOpts: { ...network.driverOpts, [before.trim()]: after.trim() } };
    }
    case 'gw-priority':
      try {
        return { ...network, gwPriority: parseInteger(value, -Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER) };
      } catch {
        throw invalid(`invalid gw-priority (${value}): invalid syntax`);
      }
    default:
      throw invalid(`invalid field key ${key}`);
  }
}

/** Flags that apply to the first network. */
export interface FirstNetwork {
  readonly aliases: readonly string[];
  readonly links: readonly string[];
  readonly ipv4: string;
  readonly ipv6: string;
  readonly linkLocal: readonly string[];
  readonly mac: string;
  /** Bandwidth, for all networks; empty for what they say. */
  readonly rates: { readonly in: string; readonly out: string };
}

const isUserDefined = (name: string): boolean =>
  !['', 'default', 'bridge', 'host', 'none'].includes(name) && !name.startsWith('container:');

const conflict = (what: string, flag: string): CliError =>
  new CliError(`conflicting options: cannot specify both --${flag} and per-network ${what}`);

function merge(network: NetworkAttachment, first: FirstNetwork): NetworkAttachment {
  if (network.aliases.length > 0 && first.aliases.length > 0) throw conflict('alias', 'network-alias');
  if (network.links.length > 0 && first.links.length > 0) throw conflict('links', 'link');
  if (network.ipv4 !== '' && first.ipv4 !== '') throw conflict('IPv4 address', 'ip');
  if (network.ipv6 !== '' && first.ipv6 !== '') throw conflict('IPv6 address', 'ip6');
  if (network.mac !== '' && first.mac !== '') throw conflict('MAC address', 'mac-address');
  if (network.linkLocal.length > 0 && first.linkLocal.length > 0) {
    throw conflict('link-local IP addresses', 'link-local-ip');
  }
  return {
    ...network,
    aliases: first.aliases.length > 0 ? first.aliases : network.aliases,
    // On the default bridge a link is the container's, not the endpoint's.
    links: isUserDefined(network.target) && first.links.length > 0 ? first.links : network.links,
    ipv4: first.ipv4 || network.ipv4,
    ipv6: first.ipv6 || network.ipv6,
    mac: first.mac || network.mac,
    linkLocal: first.linkLocal.length > 0 ? first.linkLocal : network.linkLocal,
  };
}

function endpointOf(network: NetworkAttachment): Record<string, unknown> {
  const { target, aliases, links, driverOpts, ipv4, ipv6, linkLocal, mac, gwPriority } = network;
  if (target.trim() === '') throw new CliError('no name set for network');
  if (!isUserDefined(target)) {
    if (aliases.length > 0) {
      throw new CliError('network-scoped aliases are only supported for user-defined networks');
    }
    if (links.length > 0) throw new CliError('links are only supported for user-defined networks');
  }
  if (mac !== '') checkMac(mac);
  const hasAddress = ipv4 !== '' || ipv6 !== '' || linkLocal.length > 0;
  const ipam = {
    ...(ipv4 === '' ? {} : { IPv4Address: ipv4 }),
    ...(ipv6 === '' ? {} : { IPv6Address: ipv6 }),
    ...(linkLocal.length === 0 ? {} : { LinkLocalIPs: linkLocal }),
  };
  return {
    ...emptyEndpointSettings(),
    IPAMConfig: hasAddress ? ipam : null,
    Links: links.length === 0 ? null : links,
    Aliases: aliases.length === 0 ? null : aliases,
    MacAddress: mac,
    DriverOpts: Object.keys(driverOpts).length === 0 ? null : driverOpts,
    GwPriority: gwPriority,
  };
}

/** What an own option of the network says comes first. */
const withRates = (network: NetworkAttachment, { rates }: FirstNetwork): NetworkAttachment => ({
  ...network,
  driverOpts: {
    ...(rates.in === '' ? {} : { [rateOptions.in]: rates.in }),
    ...(rates.out === '' ? {} : { [rateOptions.out]: rates.out }),
    ...network.driverOpts,
  },
});

const isPlain = (network: NetworkAttachment): boolean =>
  JSON.stringify({ ...network, target: '' }) === JSON.stringify(plain(''));

/** What `NetworkingConfig.EndpointsConfig` of a create request says. @throws CliError for contradictions */
export function readNetworks(networks: readonly NetworkAttachment[], first: FirstNetwork): Record<string, unknown> {
  const endpoints: Record<string, unknown> = {};
  if (networks.length === 0) {
    endpoints['default'] = endpointOf(withRates(merge(plain('default'), first), first));
    return endpoints;
  }
  for (const [at, network] of networks.entries()) {
    const merged = withRates(at === 0 ? merge(network, first) : network, first);
    const endpoint = endpointOf(merged);
    if (Object.hasOwn(endpoints, network.target)) {
      throw new CliError(`network ${JSON.stringify(network.target)} is specified multiple times`);
    }
    // One network without options: the engine makes its endpoint anyway.
    if (networks.length === 1 && isPlain(merged)) continue;
    endpoints[network.target] = endpoint;
  }
  const kinds = new Set(networks.map(({ target }) => isUserDefined(target)));
  if (kinds.size > 1) {
    throw new CliError('conflicting options: cannot attach both user-defined and non-user-defined network-modes');
  }
  return endpoints;
}
