import { readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { EngineError, messageOf } from '../../base/errors.ts';
import { defaultDomain, registryHostOf } from '../../spec/reference/reference.ts';
import { type Certificates, readCertificates } from './certificates.ts';
import { apiRoot, type Capability, type HostEntry, type HostsFile, parseHostsFile } from './hosts-file.ts';

/** One place that a registry's repositories can be had from: itself, or a mirror. */
export interface Place {
  /** Root of the API, with a slash at the end; without it the registry is under its own name, as its domain says. */
  readonly root?: URL;
  /** The registry itself, under its own name: nobody else gets its credentials. */
  readonly isRegistry: boolean;
  readonly capabilities: ReadonlySet<Capability>;
  /** What the registry is called, for places that serve several of them (`ns=`, as containerd asks its mirrors). */
  readonly namespace?: string;
  /** Go to this place alone. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Undefined: as the engine's list of insecure registries says. */
  readonly skipVerify?: boolean | undefined;
  readonly certificates?: Certificates | undefined;
  /** Milliseconds until a connection stands. */
  readonly dialTimeoutMs?: number | undefined;
  /** The file that says all this. */
  readonly file?: string;
}

const largestFile = 1024 * 1024;
const everything: ReadonlySet<Capability> = new Set(['pull', 'resolve', 'push', 'referrers']);

/** What the operator has put down for one registry; at least the registry itself, the last one. */
export interface RegistryPlaces {
  readonly mirrors: readonly Place[];
  readonly registry: Place;
}

/**
 * Where a registry's repositories are: what its folder in one of `folders` (`certs.d`) says, else the engine's mirrors
 * of the default registry. Files are read at each call. @throws EngineError `invalid` that names the wrong file
 */
export async function placesOf(
  folders: readonly string[],
  domain: string,
  mirrors: readonly string[],
): Promise<RegistryPlaces> {
  const own = await placesInFolder(folders, domain);
  // As in Docker: what a file says about mirrors counts more than a flag.
  if (domain !== defaultDomain || own.mirrors.length > 0 || mirrors.length === 0) return own;
  const named = mirrors.map(async (text): Promise<Place> => {
    const root = apiRoot(new URL(text));
    // Of a mirror's own folder only what says how to talk to it.
    const { certificates, skipVerify, headers } = (await placesInFolder(folders, root.host)).registry;
    return {
      root,
      isRegistry: false,
      capabilities: everything,
      ...namespaceOf(root, domain),
      certificates,
      skipVerify,
      ...(headers === undefined ? {} : { headers }),
    };
  });
  return { mirrors: await Promise.all(named), registry: own.registry };
}

const namespaceOf = (root: URL, domain: string): Pick<Place, 'namespace'> =>
  root.host === registryHostOf(domain) ? {} : { namespace: domain };

/** `certs.d/HOST_PORT_`, which is how containerd writes `HOST:PORT`, and `_default` for registries without an own one. */
async function folderOf(folders: readonly string[], domain: string): Promise<string | undefined> {
  const colon = domain.lastIndexOf(':');
  const other = colon > 0 ? [`${domain.slice(0, colon)}_${domain.slice(colon + 1)}_`] : [];
  const named = folders.flatMap((root) => [...other, domain].map((name) => join(root, name)));
  for (const folder of [...named, ...folders.map((root) => join(root, '_default'))]) {
    if (await isFolder(folder)) return folder;
  }
  return undefined;
}

const isFolder = (path: string): Promise<boolean> =>
  stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );

async function placesInFolder(folders: readonly string[], domain: string): Promise<RegistryPlaces> {
  const folder = await folderOf(folders, domain);
  const bare: Place = { isRegistry: true, capabilities: everything };
  if (folder === undefined) return { mirrors: [], registry: bare };
  const file = join(folder, 'hosts.toml');
  const text = await readLimited(file).catch((error: unknown) => {
    if ((error as { code?: string }).code === 'ENOENT') return '';
    throw new EngineError('invalid', `${file}: ${messageOf(error)}`, { cause: error });
  });
  if (text.trim() === '') {
    const certificates = await readCertificates(folder, registryHostOf(domain));
    return { mirrors: [], registry: { ...bare, certificates } };
  }
  return placesInFile(await parseHostsFile(text, file), { file, folder, domain });
}

interface Where {
  readonly file: string;
  readonly folder: string;
  readonly domain: string;
}

async function placesInFile({ mirrors, server }: HostsFile, where: Where): Promise<RegistryPlaces> {
  return {
    mirrors: await Promise.all(mirrors.map((entry) => placeOf(entry, where))),
    registry: await placeOf(server, where),
  };
}

async function placeOf(entry: HostEntry, { file, folder, domain }: Where): Promise<Place> {
  const { root, capabilities, headers, skipVerify, dialTimeoutMs } = entry;
  const host = root?.host ?? registryHostOf(domain);
  const read = (key: string, path: string): Promise<string> =>
    readLimited(resolve(folder, path)).catch((error: unknown) => {
      throw entry.wrong(key, `cannot read ${path}: ${messageOf(error)}`);
    });
  const authorities = await Promise.all(entry.authorities.map((path) => read('ca', path)));
  const client = await Promise.all(
    entry.client.map(async ({ cert, key }) => ({
      cert: await read('client', cert),
      key: await read('client', key ?? cert),
    })),
  );
  checkPem(entry, authorities, client);
  const hasCertificates = authorities.length > 0 || client.length > 0;
  return {
    ...(root === undefined ? {} : { root, ...namespaceOf(root, domain) }),
    isRegistry: root === undefined || root.host === registryHostOf(domain),
    capabilities,
    headers,
    skipVerify,
    certificates: hasCertificates ? { host, authorities, client } : undefined,
    dialTimeoutMs,
    file,
  };
}

function checkPem(
  { wrong }: HostEntry,
  authorities: readonly string[],
  client: readonly { readonly cert: string; readonly key: string }[],
): void {
  if (!authorities.every((text) => text.includes('-----BEGIN CERTIFICATE-----'))) {
    throw wrong('ca', 'a file without a certificate in PEM');
  }
  for (const { cert, key } of client) {
    if (!cert.includes('-----BEGIN CERTIFICATE-----')) throw wrong('client', 'a file without a certificate in PEM');
    if (!key.includes('PRIVATE KEY-----')) throw wrong('client', 'a file without a private key in PEM');
  }
}

/** Text of a file that an operator wrote. @throws what reading throws; Error when it is too large */
async function readLimited(path: string): Promise<string> {
  if ((await stat(path)).size > largestFile) throw new Error(`larger than ${largestFile} bytes`);
  return readFile(path, 'utf8');
}
