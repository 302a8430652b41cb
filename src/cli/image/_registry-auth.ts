import { messageOf } from '../../base/errors.ts';
import type { Login } from '../../credentials/store.ts';
import { credentialsOf, serverKey } from '../registry/server.ts';
import type { Session } from '../session.ts';

/** The login for a registry, as the header carries it: JSON in base64url. A helper that fails is told, and no more. */
export function registryAuth(session: Session, domain: string): string {
  const server = serverKey(domain);
  let login: Login | undefined;
  try {
    login = credentialsOf(session).get(server);
  } catch (error) {
    session.err(`WARNING: ${messageOf(error)}\n`);
  }
  if (login === undefined) return Buffer.from('{}').toString('base64url');
  const { username, secret, isToken = false } = login;
  const auth = {
    ...(username === '' || isToken ? {} : { username, password: secret }),
    ...(isToken ? { identitytoken: secret } : {}),
    serveraddress: server,
  };
  return Buffer.from(JSON.stringify(auth)).toString('base64url');
}
