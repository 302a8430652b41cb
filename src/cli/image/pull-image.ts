import { formatReference, repositoryOf } from '../../spec/reference/reference.ts';
import type { Reference } from '../../spec/reference/reference.ts';
import { showProgress } from '../progress.ts';
import type { ProgressDisplay } from '../progress.ts';
import type { Session } from '../session.ts';

interface PullRequest {
  readonly reference: Reference;
  readonly platform: string;
  /** Every tag of the repository. */
  readonly all?: boolean;
}

/** Lets the engine pull an image and shows how it goes. */
export async function pullImage(session: Session, request: PullRequest, display: ProgressDisplay): Promise<void> {
  const { reference, platform, all = false } = request;
  const response = await session.client.request('POST', '/images/create', {
    query: {
      fromImage: formatReference(repositoryOf(reference)),
      tag: all ? undefined : (reference.digest ?? reference.tag),
      platform: platform.toLowerCase() || undefined,
    },
    headers: { 'X-Registry-Auth': registryAuth(session, reference.domain) },
  });
  await showProgress(response.body, display);
}

/** The login for a registry out of `config.json`, as the header carries it: JSON in base64url. */
function registryAuth(session: Session, domain: string): string {
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
