import { isIP } from 'node:net';
import { parsePrefix } from '../../base/address.ts';
import type { PacketMark } from '../../network/config.ts';
import { invalid } from '../../base/errors.ts';
import { parseProxy, type ProxySettings } from '../../registry/client/proxy.ts';
import type { PoolEntry, RuntimeEntry, UlimitEntry } from './forms.ts';
import { choiceOf, listOf, mapOf, numberOf, pathOf, switchOf, textOf } from './read.ts';
import type { SettingValues } from './setting.ts';

/** What containers get that do not say. */
export interface ContainerDefaults {
  /** As written; undefined for the host's user namespace. */
  readonly usernsRemap: string | undefined;
  /** Whose subordinate ids containers with a user namespace of their own get. */
  readonly usernsAutoUser: string;
  /** Bytes. */
  readonly shmSize: number | undefined;
  readonly ipcMode: 'private' | 'shareable';
  readonly cgroupnsMode: 'private' | 'host' | undefined;
  readonly ulimits: readonly UlimitEntry[];
  readonly init: boolean;
  readonly initPath: string | undefined;
  readonly noNewPrivileges: boolean;
  /** `builtin`, `unconfined` or an absolute path. */
  readonly seccompProfile: string;
  readonly cdiSpecDirs: readonly string[];
}

export interface NetworkDefaults {
  /** False for `--bridge=none`. */
  readonly hasBridge: boolean;
  /** `10.1.0.1/24`: the bridge's own address and its subnet. */
  readonly bip: string | undefined;
  readonly fixedCidr: string | undefined;
  readonly ipv6: boolean;
  /** `fd00:1::1/64`: the bridge's own IPv6 address and its subnet. */
  readonly bip6: string | undefined;
  readonly fixedCidrV6: string | undefined;
  /** Options of new networks, by driver. */
  readonly defaultOptions: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly mtu: number | undefined;
  /** Where ports of the default network are published when nobody says. */
  readonly hostIp: string | undefined;
  /** Packets with these bits of the mark are let through to containers. */
  readonly acceptMark: PacketMark | undefined;
  /** Published ports are reached by the container's own address from everywhere. */
  readonly directRouting: boolean;
  /** The same for all networks; everywhere when empty. */
  readonly publishAddresses: readonly string[];
  /** The host's rules for incoming packets count for published ports that do not say. */
  readonly publishHostRules: boolean;
  readonly icc: boolean;
  readonly ipMasq: boolean;
  readonly ipForward: boolean;
  readonly addressPools: readonly PoolEntry[];
  readonly dns: readonly string[];
  readonly dnsOptions: readonly string[];
  readonly dnsSearch: readonly string[];
  /** Names on the default network. */
  readonly bridgeNames: boolean;
  /** Where the host's programs ask for names. */
  readonly namesListen: { readonly address: string; readonly port: number } | undefined;
  readonly hostGatewayIps: readonly string[];
}

/** What may change while the engine runs (`reload.ts`). */
export interface RegistrySettings {
  readonly insecure: readonly string[];
  /** Origins: `https://mirror.example/`. */
  readonly mirrors: readonly string[];
  readonly maxDownloads: number;
  readonly maxUploads: number;
  readonly downloadAttempts: number;
}

/** @throws EngineError `invalid` naming the setting. */
export function containerDefaults(values: SettingValues): ContainerDefaults {
  const profile = textOf(values, 'seccomp-profile') ?? 'builtin';
  const isName = profile === 'builtin' || profile === 'unconfined';
  const initPath = textOf(values, 'init-path');
  checkExecOptions(listOf(values, 'exec-opt'));
  return {
    shmSize: (values.get('default-shm-size') as number | undefined) || undefined,
    usernsRemap: textOf(values, 'userns-remap') || undefined,
    usernsAutoUser: textOf(values, 'userns-auto-user') ?? 'containers',
    ipcMode: choiceOf(values, 'default-ipc-mode', ['private', 'shareable']) ?? 'private',
    cgroupnsMode: choiceOf(values, 'default-cgroupns-mode', ['private', 'host']),
    ulimits: Object.values(mapOf<UlimitEntry>(values, 'default-ulimit')),
    init: switchOf(values, 'init') ?? false,
    initPath: initPath === undefined ? undefined : pathOf(initPath, 'init-path'),
    noNewPrivileges: switchOf(values, 'no-new-privileges') ?? false,
    seccompProfile: isName ? profile : pathOf(profile, 'seccomp-profile'),
    cdiSpecDirs: values.has('cdi-spec-dir')
      ? listOf(values, 'cdi-spec-dir').filter((dir) => dir !== '')
      : cdiDirectories,
  };
}

const cdiDirectories = ['/etc/cdi', '/var/run/cdi'];

function checkExecOptions(options: readonly string[]): void {
  for (const option of options) {
    const equals = option.indexOf('=');
    const [name, value] = [option.slice(0, equals).trim().toLowerCase(), option.slice(equals + 1).trim()];
    if (equals < 1 || name === '' || value === '') {
      throw invalid(`invalid exec-opt (${option}): must be formatted 'opt=value'`);
    }
    if (name !== 'native.cgroupdriver') throw invalid(`invalid exec-opt (${option}): unknown option: '${name}'`);
    if (value !== 'cgroupfs' && value !== 'systemd') {
      throw invalid(`invalid exec-opt (${option}): native.cgroupdriver option ${value} is not supported`);
    }
  }
}

/** @throws EngineError `invalid` naming the setting. */
export function networkDefaults(values: SettingValues): NetworkDefaults {
  const hostIp = textOf(values, 'ip');
  if (hostIp !== undefined && isIP(hostIp) !== 4) throw invalid(`invalid --ip: ${hostIp}: expected an IPv4 address`);
  const publishAddresses = listOf(values, 'default-publish-address');
  for (const address of publishAddresses)
    if (isIP(address) === 0) throw invalid(`invalid --default-publish-address: ${address}: expected an IP address`);
  const dns = listOf(values, 'dns');
  for (const server of dns) if (isIP(server) === 0) throw invalid(`invalid --dns: ${server}: expected an IP address`);
  const hostGatewayIps = listOf(values, 'host-gateway-ip');
  for (const ip of hostGatewayIps)
    if (isIP(ip) === 0) throw invalid(`invalid --host-gateway-ip: ${ip}: expected an IP address`);
  const bip = textOf(values, 'bip');
  if (bip !== undefined && textOf(values, 'bridge') !== undefined) {
    throw invalid('you specified --bridge and --bip, mutually exclusive options. Please specify only one');
  }
  return {
    hasBridge: textOf(values, 'bridge') !== 'none',
    bip,
    fixedCidr: textOf(values, 'fixed-cidr'),
    ipv6: switchOf(values, 'ipv6') ?? false,
    bip6: ipv6Prefix(values, 'bip6'),
    fixedCidrV6: ipv6Prefix(values, 'fixed-cidr-v6'),
    defaultOptions: mapOf<Readonly<Record<string, string>>>(values, 'default-network-opt'),
    mtu: numberOf(values, 'mtu', 0) || undefined,
    hostIp,
    acceptMark: packetMark(textOf(values, 'bridge-accept-fwmark')),
    directRouting: switchOf(values, 'allow-direct-routing') ?? false,
    publishAddresses,
    publishHostRules: switchOf(values, 'default-publish-host-rules') ?? false,
    icc: switchOf(values, 'icc') ?? true,
    ipMasq: switchOf(values, 'ip-masq') ?? true,
    ipForward: switchOf(values, 'ip-forward') ?? true,
    addressPools: Object.values(mapOf<PoolEntry>(values, 'default-address-pool')),
    dns,
    dnsOptions: listOf(values, 'dns-opt'),
    dnsSearch: listOf(values, 'dns-search'),
    bridgeNames: switchOf(values, 'bridge-names') ?? false,
    namesListen: listenAddress(values, 'names-listen'),
    hostGatewayIps,
  };
}

const namePort = 53;

/** `127.0.0.54`, `127.0.0.54:5353`, `::1` or `[::1]:5353`. @throws EngineError `invalid` for anything else */
function listenAddress(values: SettingValues, name: string): NetworkDefaults['namesListen'] {
  const text = textOf(values, name);
  if (text === undefined) return undefined;
  if (isIP(text) !== 0) return { address: text, port: namePort };
  const [, inBrackets, plain, digits = ''] = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(text) ?? [];
  const address = inBrackets ?? plain ?? '';
  const port = Number(digits);
  if (isIP(address) === (inBrackets === undefined ? 4 : 6) && port > 0 && port < 65_536) return { address, port };
  throw invalid(`invalid --${name}: ${text}: expected an IP address, or one with a port`);
}

/** `1`, `0x10/0xf0`, as nft(8) and iptables take them. @throws EngineError `invalid` */
function packetMark(text: string | undefined): PacketMark | undefined {
  if (text === undefined) return undefined;
  const [value = NaN, mask = 0xffffffff] = text
    .split('/')
    .map((part) => (/^(0x[0-9a-fA-F]{1,8}|[0-9]{1,10})$/.test(part) ? Number(part) : NaN));
  if (text.split('/').length <= 2 && value <= 0xffffffff && mask <= 0xffffffff && mask > 0) {
    return { value: (value & mask) >>> 0, mask };
  }
  throw invalid(
    `invalid --bridge-accept-fwmark: ${text.slice(0, 60)}: expected a mark, or a mark and a mask: 0x10/0xf0`,
  );
}

/** @throws EngineError `invalid` unless it is an IPv6 prefix */
function ipv6Prefix(values: SettingValues, name: string): string | undefined {
  const text = textOf(values, name);
  if (text === undefined) return undefined;
  const prefix = text.includes('/') ? parsePrefix(text) : undefined;
  if (prefix?.family !== 6) throw invalid(`invalid --${name}: ${text}: expected an IPv6 address and a prefix length`);
  return text;
}

/** @throws EngineError `invalid` naming the setting. */
export function registrySettings(values: SettingValues): RegistrySettings {
  return {
    insecure: listOf(values, 'insecure-registry').map(checkInsecure),
    mirrors: listOf(values, 'registry-mirror').map(mirrorOf),
    maxDownloads: numberOf(values, 'max-concurrent-downloads', 0) || 3,
    maxUploads: numberOf(values, 'max-concurrent-uploads', 0) || 5,
    downloadAttempts: numberOf(values, 'max-download-attempts', 0) || 5,
  };
}

function checkInsecure(text: string): string {
  const bare = text.startsWith('https://') ? text.slice(8) : text.startsWith('http://') ? text.slice(7) : text;
  if (bare === '' || bare.includes('://')) throw invalid(`invalid insecure registry: ${JSON.stringify(text)}`);
  return bare;
}

/** A mirror's origin with a slash behind it. @throws invalid in Docker's words */
function mirrorOf(text: string): string {
  const url = URL.parse(text);
  const bad = (why: string) => invalid(`invalid mirror: ${why}: ${text}`);
  if (url === null) throw bad('not a valid URI');
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw bad(`unsupported scheme "${url.protocol.slice(0, -1)}"`);
  if (url.username !== '' || url.password !== '') throw invalid('invalid mirror: username/password not allowed in URI');
  if (url.search !== '' || url.hash !== '') throw bad('path, query, or fragment at end of the URI');
  return url.pathname.endsWith('/') ? url.href : `${url.href}/`;
}

/** The proxies for registries: settings, else the environment, as dockerd takes them. @throws invalid without the URL */
export function proxySettings(values: SettingValues, env: NodeJS.ProcessEnv): ProxySettings {
  const of = (name: string, variable: string) =>
    textOf(values, name) ?? env[variable] ?? env[variable.toLowerCase()] ?? '';
  for (const name of ['http-proxy', 'https-proxy']) {
    // Without the value: it may carry a password.
    if (isProxy(textOf(values, name) ?? '')) continue;
    throw invalid(
      `invalid --${name}: expected a URL like http://host:port (other proxies than HTTP and HTTPS are not supported)`,
    );
  }
  return {
    http: of('http-proxy', 'HTTP_PROXY'),
    https: of('https-proxy', 'HTTPS_PROXY'),
    none: of('no-proxy', 'NO_PROXY'),
  };
}

const isProxy = (text: string): boolean => text === '' || parseProxy(text) !== undefined;

/** The operator's runtimes by name. */
export const runtimeEntries = (values: SettingValues): ReadonlyMap<string, RuntimeEntry> =>
  new Map(Object.entries(mapOf<RuntimeEntry>(values, 'add-runtime')));

/** Labels of the engine, each name once. @throws invalid in Docker's words */
export function engineLabels(values: SettingValues): readonly string[] {
  const byName = new Map<string, string>();
  for (const label of listOf(values, 'label')) {
    const equals = label.indexOf('=');
    if (equals < 1) throw invalid(`bad attribute format: ${label}`);
    const [name, value] = [label.slice(0, equals), label.slice(equals + 1)];
    const before = byName.get(name);
    if (before !== undefined && before !== value) {
      throw invalid(`conflict labels for ${name}=${value} and ${name}=${before}`);
    }
    byName.set(name, value);
  }
  return [...byName].map(([name, value]) => `${name}=${value}`);
}

/** A resource of a node: a number of something, or one of several named things. */
export type GenericResource =
  | { readonly NamedResourceSpec: { readonly Kind: string; readonly Value: string } }
  | { readonly DiscreteResourceSpec: { readonly Kind: string; readonly Value: number } };

/** `apple=3`, `gpu=one`. @throws invalid in Docker's words */
export function genericResources(values: SettingValues): readonly GenericResource[] {
  const kinds = new Map<string, 'number' | 'name'>();
  return listOf(values, 'node-generic-resource').map((text): GenericResource => {
    const equals = text.indexOf('=');
    const [Kind, value] = [text.slice(0, equals), text.slice(equals + 1)];
    if (equals < 1 || value === '' || value.includes('=')) {
      throw invalid(`could not parse GenericResource: incorrect term ${text}, missing '=' or malformed expression`);
    }
    const kind = /^\d{1,15}$/.test(value) ? 'number' : 'name';
    if ((kinds.get(Kind) ?? kind) !== kind || (kinds.has(Kind) && kind === 'number')) {
      throw invalid(`could not parse GenericResource: mixed discrete and named resources in expression '${Kind}'`);
    }
    kinds.set(Kind, kind);
    return kind === 'number'
      ? { DiscreteResourceSpec: { Kind, Value: Number(value) } }
      : { NamedResourceSpec: { Kind, Value: value } };
  });
}
