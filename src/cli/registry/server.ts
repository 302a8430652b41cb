import { environmentKey, withEnvironment } from '../../credentials/environment.ts';
import { type CredentialStore, openCredentials } from '../../credentials/store.ts';
import { configFolder } from '../config.ts';
import type { Session } from '../session.ts';

/** Under this key docker keeps the login of the default registry. */
export const defaultServer = 'https://index.docker.io/v1/';

export const configPath = (session: Session): string => `${configFolder(session.globals, session.env)}/config.json`;

/** The logins of `config.json` and of the environment; `DOCKER_AUTH_CONFIG` that cannot be read is told and passed over. */
export const credentialsOf = (session: Session): CredentialStore =>
  withEnvironment(openCredentials(configPath(session)), session.env[environmentKey], (reason) =>
    session.err(`Failed to create credential store from ${environmentKey}:  ${reason}\n`),
  );

/** The key of a registry in `config.json`: `host[:port]` of what the user wrote. */
export function serverKey(address: string): string {
  if (address === '' || address === 'docker.io' || address === defaultServer) return defaultServer;
  const scheme = address.indexOf('://');
  const bare = scheme < 0 ? address : address.slice(scheme + 3);
  return bare.split('/', 1)[0] ?? bare;
}
