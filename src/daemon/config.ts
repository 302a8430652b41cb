import { createHash } from 'node:crypto';
import { readFile, realpath } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { invalid } from '../base/errors.ts';
import type { LogLevel } from '../base/log.ts';
import { parseConfigFile, parseFlags, type SettingValues } from './flags.ts';

const defaultDataRoot = '/var/lib/gantry';
const defaultConfigFile = '/etc/gantry/daemon.json';
const dockerSocket = '/var/run/docker.sock';

/** The settings of one engine, complete and checked. */
export interface EngineConfig {
  readonly dataRoot: string;
  readonly execRoot: string;
  /** Paths of the unix sockets. */
  readonly sockets: readonly string[];
  readonly pidfile: string | undefined;
  readonly logLevel: LogLevel;
  readonly group: string;
  readonly defaultRuntime: string | undefined;
  readonly logDriver: string;
  readonly logOptions: Readonly<Record<string, string>>;
  readonly insecureRegistries: readonly string[];
  readonly dns: readonly string[];
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
    nftTable: tag === '' ? 'gantry' : `gantry_${tag}`,
    cgroupParent: cgroupParent ?? instanceCgroup(tag),
  };
}

/**
 * Reads flags and configuration file; a flag and a key of the same name must not both be given, as in Docker.
 * @throws EngineError `invalid` naming the setting.
 */
export async function loadConfig(args: readonly string[]): Promise<EngineConfig> {
  const flags = parseFlags(args);
  const path = text(flags, 'config-file') ?? defaultConfigFile;
  const file = await readConfigFile(path, flags.has('config-file'));
  for (const name of flags.keys()) {
    if (file.has(name)) {
      throw invalid(
        `unable to configure the engine with file ${path}: --${name} is specified both as a flag and in the file`,
      );
    }
  }
  const values = new Map([...file, ...flags]);
  const dataRoot = absolute(text(values, 'data-root') ?? defaultDataRoot, 'data-root');
  return complete(values, await realPathOf(dataRoot));
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

function text(values: SettingValues, name: string): string | undefined {
  const value = values.get(name);
  return typeof value === 'string' ? value : undefined;
}

function list(values: SettingValues, name: string): readonly string[] {
  return (values.get(name) as readonly string[] | undefined) ?? [];
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

function complete(values: SettingValues, dataRoot: string): EngineConfig {
  const cgroupParent = text(values, 'cgroup-parent');
  if (cgroupParent !== undefined && !/^\/[a-zA-Z0-9._/-]+$/.test(cgroupParent)) {
    throw invalid(`invalid --cgroup-parent ${JSON.stringify(cgroupParent)}: expected an absolute cgroup path`);
  }
  const names = instanceNames(dataRoot, cgroupParent);
  const execRoot = absolute(
    text(values, 'exec-root') ?? `/run/gantry${names.tag === '' ? '' : `-${names.tag}`}`,
    'exec-root',
  );
  const hosts = list(values, 'host').map(socketPath);
  const sockets = hosts.length > 0 ? hosts : [`${execRoot}/gantry.sock`];
  return {
    dataRoot,
    execRoot,
    sockets: values.get('docker-socket') === true ? [...sockets, dockerSocket] : sockets,
    pidfile: text(values, 'pidfile'),
    logLevel: logLevel(values),
    group: text(values, 'group') ?? 'docker',
    defaultRuntime: text(values, 'default-runtime'),
    logDriver: text(values, 'log-driver') ?? 'json-file',
    logOptions: (values.get('log-opt') as Record<string, string> | undefined) ?? {},
    insecureRegistries: list(values, 'insecure-registry'),
    dns: list(values, 'dns'),
    names,
  };
}

function absolute(path: string, name: string): string {
  if (path === '' || path.includes('\0')) throw invalid(`invalid --${name}: expected a path`);
  return resolve(path);
}

/** sockaddr_un holds 107 bytes of path (unix(7)). */
const longestSocketPath = 107;

function socketPath(host: string): string {
  if (!host.startsWith('unix://')) {
    throw invalid(`unsupported address ${JSON.stringify(host)} for --host: only unix:///path is served so far`);
  }
  const path = absolute(host.slice('unix://'.length), 'host');
  if (Buffer.byteLength(path) > longestSocketPath) {
    throw invalid(`the socket path ${path} is longer than the ${longestSocketPath} bytes that the kernel allows`);
  }
  return path;
}

const levels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

function logLevel(values: SettingValues): LogLevel {
  if (values.get('debug') === true) return 'debug';
  const wanted = text(values, 'log-level') ?? 'info';
  const found = levels.find((level) => level === wanted);
  if (found === undefined) throw invalid(`invalid logging level: ${wanted}: expected one of ${levels.join(', ')}`);
  return found;
}
