import { accessSync, constants } from 'node:fs';
import { invalid } from '../../base/errors.ts';
import { switchOf, textOf } from './read.ts';
import type { SettingValues } from './setting.ts';

/** How tcp:// is secured. Files are read when the listener opens. */
export interface TlsSettings {
  readonly cert: string;
  readonly key: string;
  /** Certificates of the CA of clients; needed with `verify`. */
  readonly ca: string | undefined;
  /** Only clients with a certificate of the CA are served. */
  readonly verify: boolean;
}

/**
 * Docker's rules: `--tlsverify` (or DOCKER_TLS_VERIFY) implies `--tls`; files that are not named are those of
 * DOCKER_CERT_PATH or ~/.docker. Undefined when nobody asks for TLS. @throws invalid for a file that cannot be read
 */
export function tlsSettings(values: SettingValues, env: NodeJS.ProcessEnv): TlsSettings | undefined {
  const verify = switchOf(values, 'tlsverify') ?? (env['DOCKER_TLS_VERIFY'] ?? '') !== '';
  const asked = switchOf(values, 'tls');
  if (!verify && asked !== true) return undefined;
  if (verify && asked === false) throw invalid('--tlsverify needs TLS: it cannot be combined with --tls=false');
  const folder = env['DOCKER_CERT_PATH'] || `${env['HOME'] ?? '/root'}/.docker`;
  const file = (flag: string, name: string) => textOf(values, flag) ?? `${folder}/${name}.pem`;
  const tls = { cert: file('tlscert', 'cert'), key: file('tlskey', 'key'), verify };
  const ca = file('tlscacert', 'ca');
  const files = verify ? [tls.cert, tls.key, ca] : [tls.cert, tls.key];
  for (const path of files) {
    try {
      accessSync(path, constants.R_OK);
    } catch (error) {
      throw invalid(`cannot use TLS: ${path} cannot be read`, error);
    }
  }
  return { ...tls, ca: verify || textOf(values, 'tlscacert') !== undefined ? ca : undefined };
}
