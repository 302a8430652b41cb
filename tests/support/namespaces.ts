import { type ChildProcess, spawn } from 'node:child_process';
import { ended } from './run.ts';

/**
 * A network and a mount namespace of one's own, held by a small process. Nothing that is done inside can reach the
 * host's mounts or interfaces; both end with the last process in them.
 */
export interface Namespaces extends AsyncDisposable {
  /** The process that holds them: `/proc/PID/ns/net`, `/proc/PID/mountinfo`. */
  readonly pid: number;
  /** The command line that runs `command` inside; `nsenter` becomes the command, so that the process id stays. */
  enter(command: readonly string[]): readonly [string, ...string[]];
}

/** The holder reports when it is ready and ends when the test process closes its stdin, in whatever way it dies. */
const holderScript = 'ip link set lo up && echo ready && read -r end; true';

/** @throws Error when namespaces cannot be made (no root). */
export async function makeNamespaces(): Promise<Namespaces> {
  // `slave`: what the host mounts later (a new cgroup tree) is seen inside, nothing goes the other way.
  const holder = spawn('unshare', ['--mount', '--net', '--propagation', 'slave', 'sh', '-c', holderScript], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const end = ended(holder);
  await isReady(holder, end);
  const pid = holder.pid ?? 0;
  return {
    pid,
    enter: (command) => ['nsenter', `--target=${pid}`, '--mount', '--net', '--', ...command],
    async [Symbol.asyncDispose]() {
      holder.stdin?.end();
      await end;
    },
  };
}

function isReady(holder: ChildProcess, end: Promise<unknown>): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  holder.stdout?.once('data', () => resolve());
  end.then(() => reject(new Error('no namespaces could be made: the engine tests need root')), reject);
  return promise;
}
