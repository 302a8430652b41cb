import { EngineError } from '../../base/errors.ts';
import { callUnary } from '../grpc/client.ts';
import { asEngineError, GrpcError, statusCodes } from '../grpc/status.ts';
import { secretRequest, secretResponse } from '../wire/session.ts';
import type { Session } from './session.ts';

const getSecret = '/moby.buildkit.secrets.v1.Secrets/GetSecret';

/** The most that a secret may have: 500 KiB, as with BuildKit's clients. */
const largestSecret = 500 * 1024;

/** The bytes of a secret of the client; undefined when it has none of that name. @throws EngineError */
export async function secretOf(session: Session, id: string, signal: AbortSignal): Promise<Uint8Array | undefined> {
  if (!session.methods.has(getSecret)) return undefined;
  try {
    const { data } = await callUnary(session.client, getSecret, {
      request: secretRequest,
      response: secretResponse,
      draft: { id },
      signal,
    });
    if (data.length > largestSecret) throw new EngineError('invalid', `the secret ${id} is too large`);
    return data;
  } catch (error) {
    if (error instanceof GrpcError && error.status === statusCodes.notFound) return undefined;
    throw asEngineError(error);
  }
}
