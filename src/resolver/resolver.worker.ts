/**
 * The resolver process: `node resolver.worker.ts SOCKET`. It is a program of its own, started and left alone by the engine
 * (`src/network/resolver/link.ts`), and lies beside the engine's bundle like the worker threads.
 */
import { serveResolver } from './serve.ts';

const socketPath = process.argv[2];
if (socketPath === undefined) process.exit(64);
process.title = 'gantry-resolver';
// A bug in one connection must not end the others.
process.on('uncaughtException', () => undefined);
serveResolver(socketPath, () => process.exit(0));
