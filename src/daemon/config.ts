import { createHash } from 'node:crypto';
import { readFile, realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { minApiMinorOf } from '../api/versions.ts';
import { invalid } from '../base/errors.ts';
import type { LogFormat, LogLevel } from '../base/log.ts';
import { type PluginFolders, usualFolders } from '../plugin/locate.ts';
import type { ProxySettings } from '../registry/client/proxy.ts';
import type { TrustPolicy } from '../spec/contract/trust.ts';
import { loadTrustPolicy } from '../trust/load.ts';
import { parseConfigFile, parseFlags } from './flags.ts';
import type { RuntimeEntry } from './settings/forms.ts';
import { formatListenAddress, type ListenAddress, parseListenAddress } from './settings/listeners.ts';
import { choiceOf, listOf, mapOf, numberOf, pathOf, switchOf, textOf } from './settings/read.ts';
import {
  type ContainerDefaults,
  containerDefaults,
  engineLabels,
  type GenericResource,
  genericResources,
  type NetworkDefaults,
  networkDefaults,
  proxySettings,
  type RegistrySettings,
  registrySettings,
  runtimeEntries,
} from './settings/sections.ts';
import type { SettingValues } from './settings/setting.ts';
import { settings } from './settings/table.ts';
import { storageBudget } from './settings/budget.ts';
import type { StorageBudget } from '../spec/engine/storage-budget.ts';
import { type BuilderSettings, builderSettings } from './settings/builder.ts';
import { type StorageSettings, storageSettings } from './settings/storage.ts';
import { type TlsSettings, tlsSettings } from './settings/tls.ts';

const defaultDataRoot = '/var/lib/gantry';
const defaultConfigFile = '/etc/gantry/daemon.json';
const defaultTrustPolicy = '/etc/gantry/policy.json';
const dockerSocket = '/var/run/docker.sock';
const dockerConfigFile = '/etc/docker/daemon.json';

/** Whom the engine was started as: under the name `dockerd` its socket and configuration file are Docker's. */
export type ProgramName = 'gantryd' | 'dockerd';

/** The settings of one engine, complete and checked. */
export interface EngineConfig {
  readonly dataRoot: string;
  readonly execRoot: string;
  readonly listen: readonly ListenAddress[];
  /** Files of tcp:// with TLS; undefined for plain TCP, which `insecureTcp` alone allows. */
  readonly tls: TlsSettings | undefined;
  readonly pidfile: string | undefined;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
  readonly group: string;
  readonly defaultRuntime: string | undefined;
  readonly runtimes: ReadonlyMap<string, RuntimeEntry>;
  readonly logDriver: string;
  readonly logOptions: Readonly<Record<string, string>>;
  readonly storage: StorageSettings;
  readonly builder: BuilderSettings;
  /** What images may take; undefined: as much as they want. */
  readonly budget: StorageBudget | undefined;
  readonly containers: ContainerDefaults;
  readonly network: NetworkDefaults;
  readonly registry: RegistrySettings;
  /** Which images may be used. */
  readonly trust: TrustPolicy;
  readonly proxies: ProxySettings;
  readonly labels: readonly string[];
  readonly genericResources: readonly GenericResource[];
  readonly experimental: boolean;
  readonly features: Readonly<Record<string, boolean>>;
  /** `host:port` of the metrics listener. */
  readonly metricsAddress: string | undefined;
  readonly authorizationPlugins: readonly string[];
  readonly pluginFolders: PluginFolders;
  /** Where keys of volumes that are secrets are looked for; none: in the usual folders. */
  readonly secretFolders: readonly string[];
  /** The API versions that are spoken begin at 1.`minApiMinor`. */
  readonly minApiMinor: number;
  /** Seconds. It is shown and reloaded; containers outlive the engine all the same. */
  readonly shutdownTimeout: number;
  /** What the log says once: settings that do not do here what they do in Docker. */
  readonly notes: readonly string[];
  readonly validateOnly: boolean;
  readonly names: InstanceNames;
}

/** What this engine calls the things that it makes on the host (DESIGN: several engines run side by side). */
export interface InstanceNames {
  /** Empty for the default data root, else 8 hex digits. */
  readonly tag: string;
  /** At most 15 bytes (IFNAMSIZ). */
  readonly bridge: string;
  /** Prefix of the host's ends of veth pairs, short enough for a number behind it. */
  readonly interfacePrefix: string;
  /** Prefix of the bridges of user-defined networks; digits of the network's id fill it up to 15 bytes. */
  readonly networkPrefix: string;
  readonly nftTable: string;
  /** Absolute path below each cgroup controller. */
  readonly cgroupParent: string;
}

/** The cgroup that an instance makes for its containers when the operator names none. */
export const instanceCgroup = (tag: string): string => (tag === '' ? '/gantry' : `/gantry-${tag}`);

/** The names of the engine whose data root is `dataRoot` (a real path). */
export function instanceNames(dataRoot: string, cgroupParent: string | undefined): InstanceNames {
  const tag = dataRoot === defaultDataRoot ? '' : createHash('sha256').update(dataRoot).digest('hex').slice(0, 8);
  return {
    tag,
    bridge: tag === '' ? 'gantry0' : `gantry-${tag}`,
    interfacePrefix: tag === '' ? 'gv' : `g${tag.slice(0, 6)}`,
    networkPrefix: tag === '' ? 'br-' : `g${tag.slice(0, 6)}-`,
    nftTable: tag === '' ? 'gantry' : `gantry_${tag}`,
    cgroupParent: cgroupParent ?? instanceCgroup(tag),
  };
}

/**
 * Reads flags and configuration file; a flag and a key of the same name must not both be given, as in Docker.
 * @throws EngineError `invalid` naming the setting.
 */
export async function loadConfig(args: readonly string[], program: ProgramName = 'gantryd'): Promise<EngineConfig> {
  const flags = parseFlags(args);
  const path = textOf(flags, 'config-file') ?? (program === 'dockerd' ? dockerConfigFile : defaultConfigFile);
  const file = await readConfigFile(path, flags.has('config-file'));
  refuseConflicts(flags, file, path);
  const values = new Map([...file, ...flags]);
  const dataRoot = pathOf(textOf(values, 'data-root') ?? defaultDataRoot, 'data-root');
  const policy = textOf(values, 'trust-policy');
  const trust = await loadTrustPolicy(pathOf(policy ?? defaultTrustPolicy, 'trust-policy'), policy !== undefined);
  return { ...complete(values, await realPathOf(dataRoot), program), trust };
}

/** Settings that both may give: their values are joined. */
const joined: ReadonlySet<string> = new Set(['add-runtime']);

function refuseConflicts(flags: SettingValues, file: SettingValues, path: string): void {
  const twice = [...flags.keys()].filter((name) => file.has(name) && !joined.has(name));
  if (twice.length === 0) return;
  const keyOf = (name: string) => settings.find(({ flag }) => flag === name)?.key ?? name;
  const shown = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value));
  const isSecret = (name: string) => name.endsWith('-proxy');
  const list = twice.map((name) =>
    isSecret(name)
      ? keyOf(name)
      : `${keyOf(name)}: (from flag: ${shown(flags.get(name))}, from file: ${shown(file.get(name))})`,
  );
  throw invalid(
    `unable to configure the engine with file ${path}: the following directives are specified both as a flag and in the configuration file: ${list.join(', ')}`,
  );
}

async function readConfigFile(path: string, required: boolean): Promise<SettingValues> {
  try {
    return parseConfigFile(await readFile(path, 'utf8'), path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    if (required) throw invalid(`unable to read configuration file ${path}: it does not exist`, error);
    return new Map();
  }
}

/** The real path of what may not exist yet: links in its existing part are followed. */
async function realPathOf(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return join(await realPathOf(dirname(path)), basename(path));
  }
}

function complete(values: SettingValues, dataRoot: string, program: ProgramName): Omit<EngineConfig, 'trust'> {
  const names = instanceNames(dataRoot, cgroupParentOf(values));
  const execRoot = pathOf(
    textOf(values, 'exec-root') ?? `/run/gantry${names.tag === '' ? '' : `-${names.tag}`}`,
    'exec-root',
  );
  const notes = reviewSettings(values);
  const tls = tlsSettings(values, process.env);
  const listen = listenAddresses(values, program === 'dockerd' ? dockerSocket : `${execRoot}/gantry.sock`, tls);
  const level = logLevel(values);
  return {
    dataRoot,
    execRoot,
    listen,
    tls,
    pidfile: textOf(values, 'pidfile'),
    logLevel: level,
    logFormat: choiceOf(values, 'log-format', ['json', 'text']) ?? 'json',
    group: textOf(values, 'group') ?? 'docker',
    defaultRuntime: textOf(values, 'default-runtime'),
    runtimes: runtimeEntries(values),
    logDriver: textOf(values, 'log-driver') ?? 'json-file',
    logOptions: mapOf<string>(values, 'log-opt'),
    storage: storageSettings(values),
    builder: builderSettings(values),
    budget: storageBudget(values),
    containers: containerDefaults(values),
    network: networkDefaults(values),
    registry: registrySettings(values),
    proxies: proxySettings(values, process.env),
    labels: engineLabels(values),
    genericResources: genericResources(values),
    experimental: switchOf(values, 'experimental') ?? false,
    features: mapOf<boolean>(values, 'feature'),
    metricsAddress: metricsAddress(values),
    authorizationPlugins: listOf(values, 'authorization-plugin'),
    pluginFolders: pluginFolders(absoluteFolders(values, 'plugin-dir')),
    secretFolders: absoluteFolders(values, 'secret-dir'),
    minApiMinor: minApiMinorOf(textOf(values, 'min-api-version') ?? process.env['DOCKER_MIN_API_VERSION']),
    shutdownTimeout: numberOf(values, 'shutdown-timeout', -1) ?? 15,
    notes,
    validateOnly: switchOf(values, 'validate') ?? false,
    names,
  };
}

/** @throws invalid for one that is no absolute path */
function absoluteFolders(values: SettingValues, flag: string): readonly string[] {
  const folders = listOf(values, flag);
  for (const folder of folders) {
    if (!folder.startsWith('/')) throw invalid(`${flag}: an absolute path is expected, not ${JSON.stringify(folder)}`);
  }
  return folders;
}

/** Folders of the operator's own take the place of Docker's. */
const pluginFolders = (own: readonly string[]): PluginFolders =>
  own.length === 0 ? usualFolders : { sockets: own, descriptions: own };

/** What settings have to say for themselves. @throws invalid for those that are refused */
function reviewSettings(values: SettingValues): string[] {
  const notes: string[] = [];
  for (const setting of settings) {
    const value = values.get(setting.flag);
    if (value === undefined) continue;
    const refusal = setting.refuse?.(value);
    if (refusal !== undefined) throw invalid(`--${setting.flag} is refused: ${refusal}`);
    const note = setting.note?.(value);
    if (note !== undefined) notes.push(`--${setting.flag} has no effect: ${note}`);
  }
  return notes;
}

function cgroupParentOf(values: SettingValues): string | undefined {
  const given = textOf(values, 'cgroup-parent');
  if (given === undefined) return undefined;
  const parent = given.startsWith('/') ? given : `/${given}`;
  if (!/^\/[a-zA-Z0-9._/-]+$/.test(parent) || parent.split('/').includes('..')) {
    throw invalid(`invalid --cgroup-parent ${JSON.stringify(given)}: expected an absolute cgroup path`);
  }
  return parent;
}

function listenAddresses(values: SettingValues, socket: string, tls: TlsSettings | undefined): ListenAddress[] {
  const hosts = listOf(values, 'host');
  const listen = (hosts.length > 0 ? hosts : ['unix://']).map((host) =>
    parseListenAddress(host, socket, tls !== undefined),
  );
  if (switchOf(values, 'docker-socket') === true) listen.push({ kind: 'unix', path: dockerSocket });
  const plain = tls === undefined ? listen.find(({ kind }) => kind === 'tcp') : undefined;
  const isFrank = switchOf(values, 'insecure-tcp') === true || switchOf(values, 'tls') === false;
  if (plain !== undefined && !isFrank) {
    throw invalid(
      `refusing to serve ${formatListenAddress(plain)} without TLS: whoever reaches it is root on this host. ` +
        'Use --tlsverify with --tlscacert, --tlscert and --tlskey, or --insecure-tcp to do it all the same',
    );
  }
  return listen;
}

function metricsAddress(values: SettingValues): string | undefined {
  const address = textOf(values, 'metrics-addr');
  if (address === undefined) return undefined;
  if (!/^(?:[a-zA-Z0-9.-]*|\[[0-9a-fA-F:.]+\]):\d{1,5}$/.test(address)) {
    throw invalid(`invalid --metrics-addr: ${JSON.stringify(address)}: expected host:port`);
  }
  return address;
}

const levels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];
/** Docker's names for levels that mean less or more than ours. */
const otherLevels: ReadonlyMap<string, LogLevel> = new Map([
  ['trace', 'debug'],
  ['fatal', 'error'],
  ['panic', 'error'],
]);

function logLevel(values: SettingValues): LogLevel {
  if (values.get('debug') === true) return 'debug';
  const wanted = (textOf(values, 'log-level') ?? 'info').toLowerCase();
  const found = levels.find((level) => level === wanted) ?? otherLevels.get(wanted);
  if (found === undefined) throw invalid(`invalid logging level: ${wanted}: expected one of ${levels.join(', ')}`);
  return found;
}
