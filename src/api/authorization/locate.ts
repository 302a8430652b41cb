import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { invalid, notFound } from '../../base/errors.ts';

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

const socketDirectory = '/run/docker/plugins';
const descriptionDirectories = ['/etc/docker/plugins', '/usr/lib/docker/plugins'];

/**
 * Finds a plugin by Docker's rules: a socket of its name, then a file `.spec` (an address) or `.json` (name, address and
 * TLS), directly in the folder or in one of its name.
 * @throws EngineError `not-found`; `invalid` for a description that says nothing usable
 */
export async function locatePlugin(
  name: string,
  sockets = socketDirectory,
  descriptions: readonly string[] = descriptionDirectories,
): Promise<PluginAddress> {
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(name)) throw invalid(`invalid plugin name ${JSON.stringify(name)}`);
  for (const path of placesOf(sockets, name, '.sock')) {
    const found = await stat(path).catch(() => undefined);
    if (found?.isSocket() === true) return { kind: 'unix', path };
  }
  for (const directory of descriptions) {
    for (const extension of ['.spec', '.json'] as const) {
      for (const path of placesOf(directory, name, extension)) {
        const text = await readFile(path, 'utf8').catch(() => undefined);
        if (text !== undefined) return extension === '.spec' ? addressOf(text.trim(), path) : describedBy(text, path);
      }
    }
  }
  throw notFound(`plugin ${JSON.stringify(name)} not found`);
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
