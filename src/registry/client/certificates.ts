import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EngineError, messageOf } from '../../base/errors.ts';

/** What an operator has put down for one registry (dockerd's `certs.d/HOST[:PORT]/`). */
export interface Certificates {
  /** `HOST[:PORT]`: client certificates are shown to nobody else. */
  readonly host: string;
  /** PEM of authorities that are trusted beside the system's own. */
  readonly authorities: readonly string[];
  readonly client: readonly { readonly cert: string; readonly key: string }[];
}

/** Files of a directory are few and small; more is a mistake. */
const mostFiles = 100;

/**
 * Reads `*.crt` (authorities) and `*.cert` with `*.key` (client certificates) out of the folder of a registry; undefined
 * when there are none. @throws EngineError `invalid` in Docker's words
 */
export async function readCertificates(folder: string, host: string): Promise<Certificates | undefined> {
  try {
    const names = (await readdir(folder)).sort().slice(0, mostFiles);
    const found = await readFolder(folder, host, names);
    return found.authorities.length + found.client.length === 0 ? undefined : found;
  } catch (error) {
    if (error instanceof EngineError) throw error;
    throw new EngineError('invalid', `cannot read certificates in ${folder}: ${messageOf(error)}`, { cause: error });
  }
}

async function readFolder(folder: string, host: string, names: readonly string[]): Promise<Certificates> {
  const text = (name: string): Promise<string> => readFile(join(folder, name), 'utf8');
  const authorities: string[] = [];
  const client: { cert: string; key: string }[] = [];
  for (const name of names) {
    if (name.endsWith('.crt')) authorities.push(await text(name));
    if (name.endsWith('.cert')) {
      const key = `${name.slice(0, -'.cert'.length)}.key`;
      if (!names.includes(key)) {
        throw new EngineError(
          'invalid',
          `missing key ${key} for client certificate ${name}. CA certificates must use the extension .crt`,
        );
      }
      client.push({ cert: await text(name), key: await text(key) });
    }
    if (name.endsWith('.key') && !names.includes(`${name.slice(0, -'.key'.length)}.cert`)) {
      throw new EngineError('invalid', `missing client certificate ${name.slice(0, -4)}.cert for key ${name}`);
    }
  }
  return { host, authorities, client };
}
