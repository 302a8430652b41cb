import { formatReference, repositoryOf } from '../../spec/reference/reference.ts';
import type { Reference } from '../../spec/reference/reference.ts';
import { registryAuth } from './registry-auth.ts';
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
