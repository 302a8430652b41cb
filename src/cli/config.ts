import { defaultEndpoint, parseEndpoint } from '../client/endpoint.ts';
import type { Endpoint, TlsFiles } from '../client/endpoint.ts';
import { messageOf } from '../base/errors.ts';
import { CliError } from './errors.ts';

/** Few commands need more than one file. */
const fs = () => process.getBuiltinModule('node:fs');

/** The parts of docker's `config.json` that are used here. */
export interface ConfigFile {
  readonly currentContext?: string;
  readonly detachKeys?: string;
  readonly psFormat?: string;
  readonly imagesFormat?: string;
  readonly volumesFormat?: string;
  readonly networksFormat?: string;
  readonly statsFormat?: string;
  readonly HttpHeaders?: Readonly<Record<string, string>>;
  readonly proxies?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

export interface GlobalFlags {
  readonly config: string;
  readonly context: string;
  readonly hosts: readonly string[];
  readonly tls: boolean;
  readonly tlsverify: boolean;
  readonly tlscacert: string;
  readonly tlscert: string;
  readonly tlskey: string;
}
export type Environment = Readonly<Record<string, string | undefined>>;

/** The folder of `config.json`, contexts and certificates. */
export const configFolder = (flags: GlobalFlags, env: Environment): string =>
  flags.config !== '' ? flags.config : (env['DOCKER_CONFIG'] ?? `${env['HOME'] ?? ''}/.docker`);

/** The part of Bun that reads a file without loading node:fs, which takes 2 ms (measured). */
interface BunFiles {
  file(path: string): { text(): Promise<string> };
}

async function readText(path: string): Promise<string> {
  const { Bun } = globalThis as { Bun?: BunFiles };
  return Bun === undefined ? fs().readFileSync(path, 'utf8') : Bun.file(path).text();
}

/** Reads `config.json`; a missing one is an empty one. @throws CliError when it cannot be read or is no JSON. */
export async function readConfig(folder: string): Promise<ConfigFile> {
  const path = `${folder}/config.json`;
  try {
    return JSON.parse(await readText(path)) as ConfigFile;
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (code === 'ENOENT' || code === 'ENOTDIR') return {};
    throw new CliError(`Error loading config file: ${path}: ${messageOf(error)}`);
  }
}

const tlsOf = (flags: GlobalFlags, env: Environment, folder: string): TlsFiles | undefined => {
  const verify = flags.tlsverify || (env['DOCKER_TLS_VERIFY'] ?? '') !== '';
  if (!flags.tls && !verify) return undefined;
  const certificates = env['DOCKER_CERT_PATH'] ?? folder;
  const file = (given: string, name: string): Partial<Record<string, string>> => {
    const path = given === '' ? `${certificates}/${name}.pem` : given;
    return given !== '' || fs().existsSync(path) ? { [name]: path } : {};
  };
  return { verify, ...file(flags.tlscacert, 'ca'), ...file(flags.tlscert, 'cert'), ...file(flags.tlskey, 'key') };
};

export interface Target {
  readonly endpoint: Endpoint;
  readonly contextName: string;
}

/** Which engine to talk to: `--host`, GANTRY_HOST, DOCKER_HOST, `--context`, DOCKER_CONTEXT, the current context, or the default. */
export function resolveTarget(flags: GlobalFlags, env: Environment, config: ConfigFile): Target {
  if (flags.context !== '' && flags.hosts.length > 0) {
    throw new CliError('conflicting options: cannot specify both --host and --context');
  }
  if (flags.hosts.length > 1) throw new CliError('Specify only one -H');
  const folder = configFolder(flags, env);
  const fromEnvironment = env['GANTRY_HOST'] || env['DOCKER_HOST'] || undefined;
  const host = flags.hosts[0] ?? (flags.context === '' ? fromEnvironment : undefined);
  const name = flags.context || (host === undefined ? env['DOCKER_CONTEXT'] || config.currentContext : '') || 'default';
  try {
    if (host !== undefined || name === 'default') {
      const endpoint = parseEndpoint(host ?? fromEnvironment ?? defaultEndpoint, tlsOf(flags, env, folder));
      return { endpoint, contextName: 'default' };
    }
    return { endpoint: contextEndpoint(folder, name), contextName: name };
  } catch (error) {
    throw new CliError(`Failed to initialize: unable to resolve docker endpoint: ${messageOf(error)}`);
  }
}

interface ContextFile {
  readonly Endpoints?: { readonly docker?: { readonly Host?: string; readonly SkipTLSVerify?: boolean } };
}

function contextEndpoint(folder: string, name: string): Endpoint {
  // Under a folder named by the sha256 of the context's name, as docker keeps them.
  // Loaded only here: few commands need a hash.
  const id = process.getBuiltinModule('node:crypto').createHash('sha256').update(name).digest('hex');
  const path = `${folder}/contexts/meta/${id}/meta.json`;
  if (!fs().existsSync(path)) {
    throw new CliError(`context "${name}": context not found: open ${path}: no such file or directory`);
  }
  const docker = (JSON.parse(fs().readFileSync(path, 'utf8')) as ContextFile).Endpoints?.docker;
  if (docker?.Host === undefined || docker.Host === '') throw new CliError(`context "${name}" has no docker endpoint`);
  const certificates = `${folder}/contexts/tls/${id}/docker`;
  const files = ['ca', 'cert', 'key'].filter((file) => fs().existsSync(`${certificates}/${file}.pem`));
  if (files.length === 0 && docker.SkipTLSVerify !== true) return parseEndpoint(docker.Host);
  const paths = Object.fromEntries(files.map((file) => [file, `${certificates}/${file}.pem`]));
  return parseEndpoint(docker.Host, { verify: docker.SkipTLSVerify !== true, ...paths });
}
