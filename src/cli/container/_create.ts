import { formatEndpoint } from '../../client/endpoint.ts';
import { closeSync, existsSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { messageOf } from '../../base/errors.ts';
import { isNotFound } from '../../client/errors.ts';
import { parseImageName } from '../../spec/reference/image-name.ts';
import { familiarReference, withDefaultTag } from '../../spec/reference/reference.ts';
import type { Reference } from '../../spec/reference/reference.ts';
import { CliError } from '../errors.ts';
import { pullImage } from '../image/pull-image.ts';
import { displayOn, quietDisplay } from '../progress-output.ts';
import type { Session } from '../session.ts';
import { terminalSize } from '../terminal/tty.ts';
import type { CreateBody, CreateFlags } from './_create-body.ts';

/** @throws CliError unless `policy` is one that `--pull` knows. */
export function checkPull(policy: string): void {
  if (['always', 'missing', 'never', ''].includes(policy)) return;
  throw new CliError(`invalid pull option: '${policy}': must be one of "always", "missing" or "never"`);
}

/** Makes the container, pulling its image when it is missing or `--pull` says so; resolves with its id. */
export async function createContainer(session: Session, flags: CreateFlags, body: CreateBody): Promise<string> {
  using cidFile = openCidFile(flags.cidfile);
  const reference = referenceOf(body.Image);
  addProxies(session, body);
  if (flags['use-api-socket']) addApiSocket(session, body);
  if (flags.pull === 'always' && reference !== undefined) await pull(session, flags, reference);
  const { height, width } = terminalSize();
  body.HostConfig.ConsoleSize = [height, width];
  const request = () =>
    session.client.json<{ Id: string; Warnings: string[] | null }>('POST', '/containers/create', {
      query: { name: flags.name || undefined, platform: flags.platform || undefined },
      body,
    });
  const made = await request().catch(async (error: unknown) => {
    if (!isNotFound(error) || reference === undefined || flags.pull !== 'missing') throw error;
    if (!flags.quiet) session.err(`Unable to find image '${familiarReference(reference)}' locally\n`);
    await pull(session, flags, reference);
    return request();
  });
  for (const warning of [...(made.Warnings ?? []), ...dnsWarnings(body)]) session.err(`WARNING: ${warning}\n`);
  cidFile.write(made.Id);
  return made.Id;
}

function referenceOf(image: string): Reference | undefined {
  try {
    const { reference } = parseImageName(image);
    return reference === undefined ? undefined : withDefaultTag(reference);
  } catch (error) {
    throw new CliError(messageOf(error));
  }
}

const pull = (session: Session, flags: CreateFlags, reference: Reference): Promise<void> =>
  pullImage(session, { reference, platform: flags.platform }, flags.quiet ? quietDisplay : displayOn(session, 2));

const dnsWarnings = (body: CreateBody): string[] =>
  body.HostConfig.Dns.filter((ip) => ip.startsWith('127.') || ip === '::1')
    .slice(0, 1)
    .map((ip) => `Localhost DNS (${ip}) may fail in containers.`);

/** The file of `--cidfile`: made before the container, so that a wrong path fails early; removed if that fails. */
function openCidFile(path: string): Disposable & { write(id: string): void } {
  if (path === '') return { write: () => undefined, [Symbol.dispose]: () => undefined };
  if (existsSync(path)) {
    throw new CliError(`container ID file found, make sure the other container isn't running or delete ${path}`);
  }
  let fd: number;
  try {
    fd = openSync(path, 'wx');
  } catch (error) {
    throw new CliError(`failed to create the container ID file: ${messageOf(error)}`);
  }
  let isWritten = false;
  return {
    write: (id) => {
      writeSync(fd, id);
      isWritten = true;
    },
    [Symbol.dispose]: () => {
      closeSync(fd);
      if (!isWritten) unlinkSync(path);
    },
  };
}

const proxyNames: Readonly<Record<string, string>> = {
  httpProxy: 'HTTP_PROXY',
  httpsProxy: 'HTTPS_PROXY',
  noProxy: 'NO_PROXY',
  ftpProxy: 'FTP_PROXY',
  allProxy: 'ALL_PROXY',
};

/** Adds the proxies of `config.json` to the environment, where the user did not set them. */
function addProxies(session: Session, body: CreateBody): void {
  const { proxies } = session.config;
  if (proxies === undefined) return;
  const host = formatEndpoint(session.target.endpoint);
  const env = (body['Env'] as string[] | null) ?? [];
  const known = new Set(env.map((line) => line.split('=')[0]));
  const added = Object.entries(proxies[host] ?? proxies['default'] ?? {}).flatMap(([key, value]) => {
    const name = proxyNames[key];
    if (name === undefined || value === '') return [];
    return [name, name.toLowerCase()]
      .filter((spelling) => !known.has(spelling))
      .map((spelling) => `${spelling}=${value}`);
  });
  if (added.length > 0) body['Env'] = [...added, ...env];
}

function addApiSocket(session: Session, body: CreateBody): void {
  const { endpoint } = session.target;
  if (endpoint.kind !== 'unix') {
    throw new CliError('flag --use-api-socket can only be used with unix sockets');
  }
  const mount = { Type: 'bind', Source: endpoint.path, Target: '/var/run/docker.sock', BindOptions: {} };
  body.HostConfig.Mounts = [...(body.HostConfig.Mounts ?? []), mount];
}
