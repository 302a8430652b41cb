import { invalid, messageOf } from '../base/errors.ts';
import { type CredentialStore, type Login, loginOf } from './store.ts';

/** The variable of docker's command line that carries logins: JSON with `auths`, and `auth` alone in each. */
export const environmentKey = 'DOCKER_AUTH_CONFIG';

/**
 * Logins of the environment count before those of `store`, which is written to all the same. Without the variable, or
 * where it cannot be read (`complain` is told why), it is `store` alone, as in docker.
 */
export function withEnvironment(
  store: CredentialStore,
  text: string | undefined,
  complain: (reason: string) => void,
): CredentialStore {
  if (text === undefined || text === '') return store;
  let logins: ReadonlyMap<string, Login>;
  try {
    logins = parseEnvironment(text);
  } catch (error) {
    complain(messageOf(error));
    return store;
  }
  return {
    ...store,
    get: (server) => logins.get(server) ?? store.get(server),
    servers: () => [...new Set([...logins.keys(), ...store.servers()])],
  };
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** @throws EngineError `invalid` */
function parseEnvironment(text: string): ReadonlyMap<string, Login> {
  const document: unknown = JSON.parse(text);
  if (!isObject(document)) throw invalid('expected a JSON object');
  onlyKeys(document, ['auths']);
  const { auths = {} } = document;
  if (!isObject(auths)) throw invalid('auths: expected an object');
  return new Map(
    Object.entries(auths).map(([server, entry]): [string, Login] => {
      if (!isObject(entry)) throw invalid(`auths: ${JSON.stringify(server)}: expected an object`);
      onlyKeys(entry, ['auth']);
      const { auth = '' } = entry;
      if (typeof auth !== 'string' || auth === '') {
        throw invalid(`${environmentKey} environment variable is missing key \`auth\` for ${server}`);
      }
      const login = loginOf({ auth });
      if (login === undefined) throw invalid(`invalid auth configuration for ${server}`);
      return [server, login];
    }),
  );
}

function onlyKeys(object: Record<string, unknown>, known: readonly string[]): void {
  for (const key of Object.keys(object))
    if (!known.includes(key)) throw invalid(`json: unknown field ${JSON.stringify(key)}`);
}
