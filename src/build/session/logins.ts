import type { RegistryLogin } from '../../spec/contract/build.ts';
import { callUnary } from '../grpc/client.ts';
import { asEngineError, GrpcError, statusCodes } from '../grpc/status.ts';
import { credentialsRequest, credentialsResponse } from '../wire/session.ts';
import type { Session } from './session.ts';

const credentials = '/moby.filesync.v1.Auth/Credentials';
/** Clients know Docker Hub by the name of its registry. */
const hubHost = 'registry-1.docker.io';

/** What the client has to say to a registry; undefined when it says nothing. A token alone stands for the password. */
export async function loginOf(session: Session, host: string, signal: AbortSignal): Promise<RegistryLogin | undefined> {
  if (!session.methods.has(credentials)) return undefined;
  try {
    const { username, secret } = await callUnary(session.client, credentials, {
      request: credentialsRequest,
      response: credentialsResponse,
      draft: { host: host === 'docker.io' ? hubHost : host },
      signal,
    });
    if (secret === '') return undefined;
    return username === '' ? { identityToken: secret } : { username, password: secret };
  } catch (error) {
    if (error instanceof GrpcError && error.status === statusCodes.unimplemented) return undefined;
    throw asEngineError(error);
  }
}
