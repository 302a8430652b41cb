import type * as Http2 from 'node:http2';
import type { Duplex } from 'node:stream';

/** Loaded with the first connection: most engines never serve one, and it takes some milliseconds. */
export const loadHttp2 = (): typeof Http2 => process.getBuiltinModule('node:http2');

/** How much a peer may send ahead, of one stream: the default of 64 KiB makes uploads three times slower. */
export const streamWindow = 8 << 20;
/** The same of a whole connection. */
export const connectionWindow = 32 << 20;

export const http2Options = {
  settings: {
    initialWindowSize: streamWindow,
    maxFrameSize: 1 << 20,
    maxConcurrentStreams: 250,
    maxHeaderListSize: 1 << 20,
    enablePush: false,
  },
  /** Long errors and lists of excluded files are headers. */
  maxSendHeaderBlockLength: 16 << 20,
  /** MiB; node's default of 10 would end connections that use their windows. */
  maxSessionMemory: 64,
} as const;

/** A peer that has ended its side is gone: HTTP/2 needs both. Sockets of an HTTP server would wait for ours. */
export function closeWithPeer(connection: Duplex): void {
  connection.once('end', () => connection.destroy());
}
