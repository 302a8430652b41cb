import { EngineError } from '../../base/errors.ts';
import type { ByteStream } from '../../base/stream.ts';
import { asEngineError } from '../grpc/status.ts';
import { decode } from '../wire/decode.ts';
import { bytesMessage } from '../wire/session.ts';
import type { Session } from './session.ts';

const pull = '/moby.upload.v1.Upload/Pull';

/** What a client offers under an address of its own (`http://buildkit-session/ID`), as its standard input. Read once. @throws EngineError */
export async function* uploadOf(session: Session, address: URL, signal: AbortSignal): ByteStream {
  if (!session.methods.has(pull)) {
    throw new EngineError('not-found', `the client of this build offers nothing at ${address.href}`);
  }
  const metadata = { urlpath: address.pathname, urlhost: address.host };
  const call = session.client.call(pull, { metadata, signal });
  call.end();
  try {
    for await (const message of call.messages) yield decode(bytesMessage, message).data;
  } catch (error) {
    throw asEngineError(error);
  } finally {
    call.cancel();
  }
}
