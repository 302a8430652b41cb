/** Standard output and error of the command; swapped for memory in tests. */
export interface Output {
  /** Text for the user, written at once. */
  text(fd: 1 | 2, text: string): void;
  /** Bytes of a stream; resolves when they are written. The event loop goes on while a slow reader takes its time. */
  bytes(fd: 1 | 2, bytes: Uint8Array): Promise<void>;
}

const encoder = new TextEncoder();
/** Loaded when it is used: a listing under Bun does without, which saves 2 ms of its 12 (measured). */
const fs = () => process.getBuiltinModule('node:fs');
const isBun = process.versions['bun'] !== undefined;
const isAgain = (error: unknown): boolean => (error as { code?: unknown }).code === 'EAGAIN';

/** A reader that went away ends the command, as it ends any program that does not catch SIGPIPE. */
function onBroken(error: unknown): never {
  if ((error as { code?: unknown }).code === 'EPIPE') process.exit(141);
  throw error;
}

function writeWhole(fd: number, bytes: Uint8Array): void {
  let at = 0;
  while (at < bytes.length) {
    try {
      at += fs().writeSync(fd, bytes, at);
    } catch (error) {
      if (!isAgain(error)) onBroken(error);
      // The descriptor is a pipe or terminal that another program made non-blocking.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
    }
  }
}

async function writeLater(fd: number, bytes: Uint8Array): Promise<void> {
  let at = 0;
  while (at < bytes.length) {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    fs().write(fd, bytes, at, bytes.length - at, null, (error, count) =>
      error === null ? resolve(count) : reject(error),
    );
    try {
      at += await promise;
    } catch (error) {
      if (!isAgain(error)) onBroken(error);
      await new Promise((done) => setTimeout(done, 2));
    }
  }
}

function writeText(fd: 1 | 2, text: string): void {
  // Bun's console writes to descriptor 1 as it is, at once, and leaves its flags alone, unlike Bun's own writers; what it
  // writes to descriptor 2 is coloured.
  if (isBun && fd === 1 && text.endsWith('\n')) console.log(text.slice(0, -1));
  else if (text !== '') writeWhole(fd, encoder.encode(text));
}

/** The process's own descriptors 1 and 2. `process.stdout` is left alone: loading it costs 10 ms under Bun (measured). */
export const processOutput: Output = {
  text: writeText,
  bytes: writeLater,
};
