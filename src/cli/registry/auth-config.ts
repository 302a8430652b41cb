import { messageOf } from '../../base/errors.ts';
import type { Login } from '../../credentials/store.ts';
import type { Session } from '../session.ts';
import { credentialsOf } from './server.ts';

/** The login at a registry as the API takes it (Docker's AuthConfig). A helper that fails is told, and no more. */
export function authConfig(session: Session, server: string): Record<string, string> | undefined {
  let login: Login | undefined;
  try {
    login = credentialsOf(session).get(server);
  } catch (error) {
    session.err(`WARNING: ${messageOf(error)}\n`);
  }
  if (login === undefined) return undefined;
  const { username, secret, isToken = false } = login;
  return {
    ...(username === '' || isToken ? {} : { username, password: secret }),
    ...(isToken ? { identitytoken: secret } : {}),
    serveraddress: server,
  };
}

/** All logins, as `X-Registry-Config` carries them: JSON in base64url, by registry. */
export function registryConfig(session: Session): string {
  const logins = credentialsOf(session)
    .servers()
    .flatMap((server) => {
      const auth = authConfig(session, server);
      return auth === undefined ? [] : [[server, auth] as const];
    });
  return Buffer.from(JSON.stringify(Object.fromEntries(logins))).toString('base64url');
}
