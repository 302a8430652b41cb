import type { Session } from '../session.ts';

/** The login for a registry out of `config.json`, as the header carries it: JSON in base64url. */
export function registryAuth(session: Session, domain: string): string {
  const key = domain === 'docker.io' ? 'https://index.docker.io/v1/' : domain;
  const login = session.config.auths?.[key];
  if (login === undefined) return Buffer.from('{}').toString('base64url');
  const [username = '', ...password] = Buffer.from(login.auth ?? '', 'base64')
    .toString()
    .split(':');
  const auth = {
    ...(username === '' ? {} : { username, password: password.join(':') }),
    ...(login.identitytoken === undefined ? {} : { identitytoken: login.identitytoken }),
    serveraddress: key,
  };
  return Buffer.from(JSON.stringify(auth)).toString('base64url');
}
