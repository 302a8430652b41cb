import { createRegistryClient, type PushTarget, type RemoteRepository } from '../../registry/client/client.ts';
import type { ProxySettings } from '../../registry/client/proxy.ts';
import type { RegistryCredentials } from '../../registry/client/token.ts';
import { formatReference, type Reference, repositoryOf } from '../../spec/reference/reference.ts';
import type { Environment } from '../config.ts';
import type { Session } from '../session.ts';
import { gantryVersion } from '../version.ts';
import { credentialsOf, serverKey } from './server.ts';

/** Registries as this command sees them, past the engine, with the logins of docker's `config.json`. */
export interface Registries {
  /** The repository of a name, for reading; each one is opened once. */
  repository(reference: Reference): RemoteRepository;
  /** The same for writing. */
  target(reference: Reference): PushTarget;
}

/**
 * `insecure` lets registries of this command have certificates that nobody vouches for, or plain HTTP; `withoutMirrors`
 * asks the registry itself alone, for what is read to be written again.
 */
export function openRegistries(
  session: Session,
  insecure: boolean,
  { withoutMirrors = false }: { readonly withoutMirrors?: boolean } = {},
): Registries {
  const named = new Set<string>();
  const client = createRegistryClient({
    userAgent: `gantry/${gantryVersion}`,
    certificateFolders: ['/etc/docker/certs.d', '/etc/gantry/certs.d'],
    proxies: proxiesOf(session.env),
    insecureRegistries: () => (insecure ? [...named] : []),
    withoutMirrors,
  });
  const repositories = new Map<string, RemoteRepository>();
  const targets = new Map<string, PushTarget>();
  const kept = <T>(known: Map<string, T>, reference: Reference, open: (credentials: Credentials) => T): T => {
    named.add(reference.domain);
    const key = formatReference(repositoryOf(reference));
    const found = known.get(key) ?? open(credentialsFor(session, reference.domain));
    known.set(key, found);
    return found;
  };
  return {
    repository: (reference) =>
      kept(repositories, reference, (login) => client.repository(repositoryOf(reference), login)),
    target: (reference) => kept(targets, reference, (login) => client.pushTarget(repositoryOf(reference), login)),
  };
}

type Credentials = RegistryCredentials | undefined;

/** The variables that docker's command reads, too. */
const proxiesOf = (env: Environment): ProxySettings => {
  const of = (name: string): string => env[name] || env[name.toLowerCase()] || '';
  return { http: of('HTTP_PROXY'), https: of('HTTPS_PROXY'), none: of('NO_PROXY') };
};

function credentialsFor(session: Session, domain: string): Credentials {
  const login = credentialsOf(session).get(serverKey(domain));
  if (login === undefined) return undefined;
  const { username, secret, isToken = false } = login;
  return isToken ? { identityToken: secret } : { username, password: secret };
}
