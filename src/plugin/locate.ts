import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { invalid, notFound } from '../base/errors.ts';

/** Where a plugin listens. */
export type PluginAddress =
  | { readonly kind: 'unix'; readonly path: string }
  | {
      readonly kind: 'tcp';
      readonly host: string;
      readonly port: number;
      /** Set for TLS: files of the CA, and of the certificate that the engine shows. */
      readonly tls?: PluginTls;
    };

export interface PluginTls {
  readonly insecure: boolean;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** Where plugins are looked for. */
export interface PluginFolders {
  /** Folders of sockets. */
  readonly sockets: readonly string[];
  /** Folders of descriptions: files `.spec` and `.json`. */
  readonly descriptions: readonly string[];
}

/** Docker's. */
export const usualFolders: PluginFolders = {
  sockets: ['/run/docker/plugins'],
  descriptions: ['/etc/docker/plugins', '/usr/lib/docker/plugins'],
};

const isPluginName = (name: string): boolean => /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/.test(name);

/**
 * Finds a plugin by Docker's rules: a socket of its name, then a file `.spec` (an address) or `.json` (name, address and
 * TLS), directly in the folder or in one of its name.
 * @throws EngineError `not-found`; `invalid` for a description that says nothing usable
 */
export async function locatePlugin(name: string, folders: PluginFolders = usualFolders): Promise<PluginAddress> {
  if (!isPluginName(name)) throw invalid(`invalid plugin name ${JSON.stringify(name.slice(0, 200))}`);
  for (const path of folders.sockets.flatMap((folder) => placesOf(folder, name, '.sock'))) {
    const found = await stat(path).catch(() => undefined);
    if (found?.isSocket() === true) return { kind: 'unix', path };
  }
  for (const directory of folders.descriptions) {
    for (const extension of ['.spec', '.json'] as const) {
      for (const path of placesOf(directory, name, extension)) {
        const text = await readDescription(path);
        if (text !== undefined) return extension === '.spec' ? addressOf(text.trim(), path) : describedBy(text, path);
      }
    }
  }
  throw notFound(`plugin ${JSON.stringify(name)} not found`);
}

/** More is no description. */
const mostDescriptionBytes = 64 * 1024;

async function readDescription(path: string): Promise<string | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isFile() !== true) return undefined;
  if (found.size > mostDescriptionBytes) throw invalid(`${path} is too long for a description of a plugin`);
  return readFile(path, 'utf8').catch(() => undefined);
}

/** The names of all plugins that `locatePlugin` would find, sorted; whether they answer is not looked at. */
export async function findPlugins({ sockets, descriptions }: PluginFolders = usualFolders): Promise<string[]> {
  const names = new Set<string>();
  const look = async (folder: string, extensions: readonly string[], deep: boolean): Promise<void> => {
    for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
      const extension = extname(entry.name);
      const name = basename(entry.name, extension);
      const isRight = extension === '.sock' ? entry.isSocket() || entry.isSymbolicLink() : !entry.isDirectory();
      const isOne = extensions.includes(extension) && isRight;
      if (isOne && isPluginName(name) && (!deep || name === basename(folder))) names.add(name);
      else if (entry.isDirectory() && !deep) await look(join(folder, entry.name), extensions, true);
    }
  };
  for (const folder of sockets) await look(folder, ['.sock'], false);
  for (const folder of descriptions) await look(folder, ['.spec', '.json'], false);
  return [...names].sort();
}

const placesOf = (directory: string, name: string, extension: string): string[] => [
  join(directory, `${name}${extension}`),
  join(directory, name, `${name}${extension}`),
];

function addressOf(text: string, path: string, tls?: PluginTls): PluginAddress {
  const url = URL.parse(text);
  if (url?.protocol === 'unix:' && url.pathname.startsWith('/')) return { kind: 'unix', path: text.slice(7) };
  const isTcp = url?.protocol === 'tcp:' || url?.protocol === 'http:' || url?.protocol === 'https:';
  if (url === null || !isTcp || url.hostname === '') throw invalid(`${path} has no address of a plugin`);
  const isSecure = url.protocol === 'https:';
  const port = url.port === '' ? (isSecure ? 443 : 80) : Number(url.port);
  const host = url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname;
  return { kind: 'tcp', host, port, ...(isSecure ? { tls: tls ?? { insecure: true } } : {}) };
}

function describedBy(text: string, path: string): PluginAddress {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid(`${path} is no JSON`, error);
  }
  const address = textField(value, 'Addr');
  if (address === undefined) throw invalid(`${path} has no Addr`);
  const given = (value as { TLSConfig?: unknown }).TLSConfig;
  const [ca, cert, key] = ['CAFile', 'CertFile', 'KeyFile'].map((field) => textField(given, field));
  // As with Docker: without a CA nothing can be checked.
  const insecure = ca === undefined || (given as { InsecureSkipVerify?: unknown }).InsecureSkipVerify === true;
  return addressOf(address, path, {
    insecure,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  });
}

function textField(value: unknown, field: string): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const found = (value as Record<string, unknown>)[field];
  return typeof found === 'string' && found !== '' ? found : undefined;
}
