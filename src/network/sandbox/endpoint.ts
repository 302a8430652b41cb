import { invalid, messageOf } from '../../base/errors.ts';
import type { EndpointSettings } from '../../spec/engine/container.ts';
import {
  type Address,
  contains,
  type Family,
  formatAddress,
  isUnspecified,
  parseAddress,
  parsePrefix,
} from '../../base/address.ts';
import { poolsOf } from '../bridge/describe.ts';
import { checkInterfaceName } from '../define/options.ts';
import type { Addresses, EndpointWish } from '../driver.ts';
import { parseMac } from '../mac.ts';
import { noRates, type Rates, ratesIn } from '../rates/rate.ts';
import { rateOptions } from '../../spec/engine/network.ts';
import { isPredefined, type NetworkRecord } from '../record.ts';

/** An endpoint of a container that wishes for nothing. */
export const noWish: EndpointWish = {
  addresses: {},
  linkLocal: [],
  mac: undefined,
  interfaceName: undefined,
  sysctls: [],
  rates: noRates,
};

const optionNames = {
  sysctls: 'com.docker.network.endpoint.sysctls',
  interfaceName: 'com.docker.network.endpoint.ifname',
} as const;

const knownOptions: readonly string[] = [...Object.values(optionNames), ...Object.values(rateOptions)];

/**
 * What an endpoint on a network asks for, checked; all complaints are in one error, in Docker's words.
 * @throws EngineError `invalid`
 */
export function readEndpoint(network: NetworkRecord, settings: EndpointSettings): EndpointWish {
  const complaints: string[] = [];
  const complain = (text: string) => void complaints.push(text);
  const addresses = readAddresses(network, settings, complain);
  if (isPredefined(network) && (settings.Aliases ?? []).length > 0) {
    complain('network-scoped aliases are only supported for user-defined networks');
  }
  const wish: EndpointWish = {
    addresses,
    linkLocal: (settings.IPAMConfig?.LinkLocalIPs ?? []).flatMap((text) => {
      const address = parseAddress(text);
      if (address !== undefined && !isUnspecified(address)) return [address];
      complain(`invalid link-local IP address: ${text.slice(0, 100)}`);
      return [];
    }),
    mac: readMac(settings.MacAddress ?? '', complain),
    ...readOptions(settings.DriverOpts ?? {}, complain),
    rates: readRates(network, settings.DriverOpts ?? {}, complain),
  };
  if (complaints.length === 1) throw invalid(`invalid endpoint settings:\n${complaints[0]}`);
  if (complaints.length > 1) {
    throw invalid(`invalid endpoint settings:\n${complaints.map((text) => `* ${text}`).join('\n')}`);
  }
  return wish;
}

type Complain = (text: string) => void;

function readAddresses(network: NetworkRecord, { IPAMConfig }: EndpointSettings, complain: Complain): Addresses {
  const { IPv4Address = '', IPv6Address = '' } = IPAMConfig ?? {};
  if (isPredefined(network) && (IPv4Address !== '' || IPv6Address !== '')) {
    complain('user specified IP address is supported on user defined networks only');
  }
  const subnets = poolsOf(network).flatMap(({ subnet }) => parsePrefix(subnet) ?? []);
  const addresses: Partial<Record<Family, Address>> = {};
  for (const [text, family] of [
    [IPv4Address, 4],
    [IPv6Address, 6],
  ] as const) {
    if (text === '') continue;
    const address = parseAddress(text);
    if (address?.family !== family || isUnspecified(address)) {
      complain(`invalid IPv${family} address: ${text.slice(0, 100)}`);
    } else if (!isPredefined(network) && !subnets.some((subnet) => contains(subnet, address))) {
      complain(`no configured subnet or ip-range contain the IP address ${formatAddress(address)}`);
    } else addresses[family] = address;
  }
  return addresses;
}

function readMac(text: string, complain: Complain): Uint8Array | undefined {
  if (text === '') return undefined;
  const mac = parseMac(text);
  // The lowest bit of the first byte marks group addresses, which no interface may have.
  if (mac !== undefined && ((mac[0] ?? 0) & 1) === 0) return mac;
  complain(`invalid MAC address ${text.slice(0, 60)}: not a valid mac address`);
  return undefined;
}

function readOptions(
  options: Readonly<Record<string, string>>,
  complain: Complain,
): Pick<EndpointWish, 'interfaceName' | 'sysctls'> {
  for (const name of Object.keys(options)) {
    if (!knownOptions.includes(name)) {
      const known = knownOptions.join(', ');
      complain(`unknown option of an endpoint ${JSON.stringify(name.slice(0, 100))}: there are ${known}`);
    }
  }
  const interfaceName = options[optionNames.interfaceName];
  try {
    if (interfaceName !== undefined) checkInterfaceName(interfaceName);
  } catch (error) {
    complain(messageOf(error));
  }
  const text = options[optionNames.sysctls];
  const sysctls = text === undefined ? [] : text.split(',').flatMap((one) => readSysctl(one, complain));
  return { interfaceName, sysctls };
}

function readRates(network: NetworkRecord, options: Readonly<Record<string, string>>, complain: Complain): Rates {
  try {
    const rates = ratesIn(options, rateOptions);
    if (network.driver === 'bridge' || Object.keys(rates).length === 0) return rates;
    complain(`bandwidth can be limited on bridge networks, and ${network.name} is a ${network.driver} network`);
  } catch (error) {
    complain(messageOf(error));
  }
  return noRates;
}

const sysctlPart = /^[a-z0-9_-]{1,64}$/;
const layers: ReadonlySet<string> = new Set(['ipv4', 'ipv6', 'mpls']);

/** `net.ipv4.conf.IFNAME.forwarding=1` as path and value. */
function readSysctl(text: string, complain: Complain): (readonly [string, string])[] {
  const equals = text.indexOf('=');
  const parts = text.slice(0, Math.max(0, equals)).split('.');
  const [net = '', layer = '', kind = '', name = '', key = ''] = parts;
  const isOne =
    parts.length === 5 &&
    net === 'net' &&
    layers.has(layer) &&
    sysctlPart.test(kind) &&
    name.toUpperCase() === 'IFNAME' &&
    sysctlPart.test(key);
  if (isOne) return [[`net/${layer}/${kind}/IFNAME/${key}`, text.slice(equals + 1)]];
  const shown = text.slice(0, 200);
  complain(
    `unrecognised network interface sysctl '${shown}'; represent 'net.X.Y.ethN.Z=V' as 'net.X.Y.IFNAME.Z=V', 'X' must be 'ipv4', 'ipv6' or 'mpls'`,
  );
  return [];
}
