import { invalid } from '../../base/errors.ts';
import { type Address, type Family, parseAddress, type Prefix } from '../../base/address.ts';
import { parseFrom } from '../ports/access.ts';
import { networkRateOptions } from '../rates/rate.ts';

/** What the options of a bridge network say. */
export interface BridgeSettings {
  /** Name of the interface; undefined for one by the network's id. */
  readonly name: string | undefined;
  /** Containers reach each other. */
  readonly icc: boolean;
  readonly masquerade: boolean;
  /** The host's address that ports are published on when nobody names one. */
  readonly hostBinding: string | undefined;
  /** Whom published ports are for that do not say; undefined for what the operator says. */
  readonly publishFrom: readonly Prefix[] | undefined;
  readonly hostRules: boolean | undefined;
  /** Bytes. */
  readonly mtu: number | undefined;
  /** What names of interfaces in containers begin with. */
  readonly interfacePrefix: string;
  /** The bridge gets no IPv4 address: something else is the gateway. */
  readonly inhibitIpv4: boolean;
  readonly gatewayModes: Readonly<Record<Family, GatewayMode>>;
  readonly trusted: readonly string[];
  /** What packets to the outside have as their source. */
  readonly hostAddresses: Readonly<Partial<Record<Family, Address>>>;
}

export type GatewayMode = 'nat' | 'nat-unprotected' | 'routed' | 'isolated';
const gatewayModes: ReadonlySet<string> = new Set(['nat', 'nat-unprotected', 'routed', 'isolated']);

const bridge = 'com.docker.network.bridge.';
const general = 'com.docker.network.';
const publish = 'gantry.publish.';
const bridgeOptions: ReadonlySet<string> = new Set([
  `${bridge}name`,
  `${bridge}enable_icc`,
  `${bridge}enable_ip_masquerade`,
  `${bridge}host_binding_ipv4`,
  `${bridge}gateway_mode_ipv4`,
  `${bridge}gateway_mode_ipv6`,
  `${bridge}inhibit_ipv4`,
  `${bridge}trusted_host_interfaces`,
  `${general}driver.mtu`,
  `${general}container_iface_prefix`,
  `${general}host_ipv4`,
  `${general}host_ipv6`,
  `${general}enable_ipv4`,
  `${general}enable_ipv6`,
  `${publish}from`,
  `${publish}host-rules`,
  ...networkRateOptions,
]);

/** The names that a driver knows. */
const optionsOf = {
  bridge: bridgeOptions,
  macvlan: new Set(['parent', 'macvlan_mode', `${general}enable_ipv4`, `${general}enable_ipv6`]),
  ipvlan: new Set(['parent', 'ipvlan_mode', 'ipvlan_flag', `${general}enable_ipv4`, `${general}enable_ipv6`]),
} as const satisfies Record<string, ReadonlySet<string>>;

/** @throws EngineError `invalid`, naming the first option that the driver does not know. */
export function checkOptionNames(driver: keyof typeof optionsOf, options: Readonly<Record<string, string>>): void {
  const known: ReadonlySet<string> = optionsOf[driver];
  for (const name of Object.keys(options)) {
    if (known.has(name)) continue;
    throw invalid(
      `unknown option ${JSON.stringify(name.slice(0, 100))} for the ${driver} driver; it knows ${[...known].join(', ')}`,
    );
  }
}

const wrong = (name: string, value: string, why: string) =>
  invalid(`failed to parse ${name} value: ${value.slice(0, 100)} (${why})`);

/** What Go reads as a boolean. */
const booleans: Readonly<Record<string, boolean>> = Object.assign(Object.create(null) as Record<string, boolean>, {
  ...Object.fromEntries(['1', 't', 'T', 'true', 'TRUE', 'True'].map((text) => [text, true])),
  ...Object.fromEntries(['0', 'f', 'F', 'false', 'FALSE', 'False'].map((text) => [text, false])),
});

/** `enable_ipv4` and `enable_ipv6` as options. @throws EngineError `invalid` */
export function familyOption(options: Readonly<Record<string, string>>, family: Family): boolean | undefined {
  const name = `${general}enable_ipv${family}`;
  const text = options[name];
  if (text === undefined) return undefined;
  const value = booleans[text];
  if (value === undefined) throw invalid(`driver-opt ${JSON.stringify(name)} is not a valid bool`);
  return value;
}

/** @throws EngineError `invalid`, naming the option whose value is malformed. */
export function bridgeSettings(options: Readonly<Record<string, string>>): BridgeSettings {
  const flag = (name: string, absent: boolean): boolean => {
    const text = options[name];
    if (text === undefined) return absent;
    const value = booleans[text];
    if (value === undefined)
      throw wrong(name, text, `strconv.ParseBool: parsing ${JSON.stringify(text)}: invalid syntax`);
    return value;
  };
  const address = (name: string): Address | undefined => {
    const text = options[name];
    if (text === undefined) return undefined;
    const value = parseAddress(text);
    if (value === undefined) throw wrong(name, text, 'nil ip');
    return value;
  };
  const hostBinding = address(`${bridge}host_binding_ipv4`);
  const [host4, host6] = [address(`${general}host_ipv4`), address(`${general}host_ipv6`)];
  return {
    name: interfaceName(options[`${bridge}name`]),
    icc: flag(`${bridge}enable_icc`, true),
    masquerade: flag(`${bridge}enable_ip_masquerade`, true),
    publishFrom: fromOf(options[`${publish}from`]),
    hostRules: options[`${publish}host-rules`] === undefined ? undefined : flag(`${publish}host-rules`, false),
    hostBinding: hostBinding === undefined ? undefined : options[`${bridge}host_binding_ipv4`],
    mtu: mtuOf(options[`${general}driver.mtu`]),
    interfacePrefix: prefixOf(options[`${general}container_iface_prefix`]),
    inhibitIpv4: flag(`${bridge}inhibit_ipv4`, false),
    gatewayModes: { 4: modeOf(options, 4), 6: modeOf(options, 6) },
    trusted: (options[`${bridge}trusted_host_interfaces`] ?? '')
      .split(':')
      .filter((name) => name !== '')
      .map((name) => interfaceName(name) ?? ''),
    hostAddresses: { ...(host4 === undefined ? {} : { 4: host4 }), ...(host6 === undefined ? {} : { 6: host6 }) },
  };
}

/** Addresses and prefixes with commas or blanks between them. */
const fromOf = (text: string | undefined): readonly Prefix[] | undefined =>
  text === undefined ? undefined : parseFrom(text.split(/[,\s]+/).filter((part) => part !== ''));

function modeOf(options: Readonly<Record<string, string>>, family: Family): GatewayMode {
  const name = `${bridge}gateway_mode_ipv${family}`;
  const text = options[name] ?? 'nat';
  if (!gatewayModes.has(text)) throw wrong(name, text, `unknown gateway mode ${text.slice(0, 100)}`);
  return text as GatewayMode;
}

/** The kernel's rule for names of interfaces. */
function interfaceName(text: string | undefined): string | undefined {
  if (text === undefined || text === '') return undefined;
  checkInterfaceName(text);
  return text;
}

/** @throws EngineError `invalid` for what can be no name of an interface. */
export function checkInterfaceName(text: string): void {
  const isName =
    Buffer.byteLength(text) <= 15 &&
    /^[\x21-\x7e]+$/.test(text) &&
    !/[/:%]/.test(text) &&
    text !== '.' &&
    text !== '..';
  if (isName) return;
  throw invalid(
    `invalid interface name ${JSON.stringify(text.slice(0, 100))}: expected at most 15 characters without blanks, slashes, colons and %`,
  );
}

/** A number follows it in the name of an interface. */
function prefixOf(text: string | undefined): string {
  if (text === undefined || text === '') return 'eth';
  checkInterfaceName(`${text}000`);
  return text;
}

const smallestMtu = 68;
const largestMtu = 65_535;

function mtuOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[+-]?\d{1,15}$/.test(text)) {
    throw wrong(`${general}driver.mtu`, text, `strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`);
  }
  const mtu = Number(text);
  if (mtu === 0) return undefined;
  if (mtu < smallestMtu || mtu > largestMtu) {
    throw invalid(`invalid MTU number: ${mtu}: expected ${smallestMtu} to ${largestMtu}`);
  }
  return mtu;
}
