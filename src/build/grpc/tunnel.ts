import { Duplex } from 'node:stream';
import { callbackify } from 'node:util';
import { decode } from '../wire/decode.ts';
import { encode } from '../wire/encode.ts';
import { bytesMessage } from '../wire/session.ts';
import type { ServerCall } from './server.ts';

/** Bytes of one message: gRPC's own default limit for what a peer accepts is 4 MiB. */
const pieceBytes = 256 << 10;

/** A byte stream that a call carries both ways in BytesMessages (Control/Session). It ends with the call. */
export function tunnelOf(call: ServerCall): Duplex {
  call.begin();
  const messages = call.messages[Symbol.asyncIterator]();
  const tunnel = new Duplex({
    read() {
      nextPiece(messages).then(
        (piece) => void tunnel.push(piece ?? null),
        (error: unknown) => void tunnel.destroy(error as Error),
      );
    },
    write(chunk: Buffer, _encoding, callback) {
      callbackify(() => sendPieces(call, chunk))(callback);
    },
  });
  const onAbort = (): void => void tunnel.destroy();
  if (call.signal.aborted) onAbort();
  call.signal.addEventListener('abort', onAbort, { once: true });
  tunnel.once('close', () => call.signal.removeEventListener('abort', onAbort));
  return tunnel;
}

async function sendPieces(call: ServerCall, chunk: Buffer): Promise<void> {
  for (let at = 0; at < chunk.length; at += pieceBytes) {
    await call.send(encode(bytesMessage, { data: chunk.subarray(at, at + pieceBytes) }));
  }
}

/** The next bytes; an empty message says nothing. Undefined at the end. */
async function nextPiece(messages: AsyncIterator<Uint8Array>): Promise<Buffer | undefined> {
  for (;;) {
    const next = await messages.next();
    if (next.done === true) return undefined;
    const { data } = decode(bytesMessage, next.value);
    if (data.length > 0) return Buffer.from(data);
  }
}
