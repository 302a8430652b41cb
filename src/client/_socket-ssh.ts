import { spawn } from 'node:child_process';
import type { SshEndpoint } from './endpoint.ts';
import { type ByteSocket, Inbox } from './socket.ts';

/** Characters of what ssh complains that are shown. */
const mostComplaint = 1000;

/** What runs on the other side: whichever command line is there. Both relay their input to their engine. */
function remoteCommand(path: string | undefined): string {
  const dial = path === undefined ? 'system dial-stdio' : `--host unix://${path} system dial-stdio`;
  return `sh -c 'command -v gantry >/dev/null 2>&1 && exec gantry ${dial}; exec docker ${dial}'`;
}

/** A connection by way of the `ssh` program, which asks its user for passwords at the terminal by itself. */
export function connectSsh({ host, user, port, path }: SshEndpoint): Promise<ByteSocket> {
  const login = [...(user === undefined ? [] : ['-l', user]), ...(port === undefined ? [] : ['-p', String(port)])];
  const words = ['-o', 'ConnectTimeout=30', '-T', ...login, '--', host, remoteCommand(path)];
  const child = spawn('ssh', words, { stdio: ['pipe', 'pipe', 'pipe'] });
  const inbox = new Inbox(() => child.stdout.resume());
  const { promise: gone, resolve: leave } = Promise.withResolvers<Error>();
  let complaint = '';
  child.stderr.on('data', (chunk: Buffer) => (complaint = (complaint + chunk.toString()).slice(0, mostComplaint)));
  child.stdout.on('data', (chunk: Buffer) => {
    if (!inbox.push(chunk)) child.stdout.pause();
  });
  const ended = (failure: Error | undefined): void => {
    inbox.end(failure);
    leave(failure ?? new Error('the connection is closed'));
  };
  child.on('error', (error) => ended(new Error(`cannot run ssh: ${error.message}`)));
  child.on('close', (code) => {
    const reason = complaint.trim() || `ssh ended with ${code}`;
    ended(code === 0 || code === null ? undefined : new Error(`ssh ${host}: ${reason}`));
  });
  child.stdin.on('error', () => undefined);
  return Promise.resolve({
    read: () => inbox.read(),
    write(bytes) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      // A broken pipe says little: why ssh ended says more.
      child.stdin.write(bytes, (error) => (error == null ? resolve() : void gone.then(reject)));
      return promise;
    },
    end: () => void child.stdin.end(),
    destroy() {
      inbox.end();
      child.stdin.destroy();
      child.kill();
    },
  });
}
