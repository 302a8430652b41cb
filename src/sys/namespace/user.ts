import { closeSync, readSync, writeFileSync } from 'node:fs';
import { EngineError, messageOf } from '../../base/errors.ts';
import type { IdMapping, IdRange, OpenUserNamespace, UserNamespaces } from '../../spec/contract/user-namespace.ts';
import { closeFd, openFd } from '../ffi/descriptor.ts';
import { pollOnce, READABLE } from '../poll/poll.ts';
import { createPipe } from '../process/pipe.ts';
import { spawn } from '../process/spawn.ts';

const O_RDONLY = 0;
const SIGKILL = 9;

/**
 * unshare(1): a process with several threads can make no user namespace for itself. The program echoes one byte from
 * within, then waits until its input ends.
 */
const program = '/usr/bin/unshare';
const argv = ['unshare', '--user', '--net', 'cat'];
const env = ['PATH=/usr/sbin:/usr/bin:/sbin:/bin'];

/** User namespaces, each with a network namespace that belongs to it. */
export const userNamespaces: UserNamespaces = { create: createUserNamespace, of: userNamespaceOf };

async function createUserNamespace(mapping: IdMapping): Promise<OpenUserNamespace> {
  const [input, output] = [createPipe(), createPipe()];
  try {
    const fds = [
      [input.read, 0],
      [output.write, 1],
    ] as const;
    const child = spawn({ path: program, argv, env, fds });
    try {
      closeSync(output.write);
      writeFileSync(input.write, 'x');
      await pollOnce(output.read, READABLE);
      if (readSync(output.read, Buffer.alloc(1)) === 0) throw new Error('the kernel allows no new user namespace');
      writeFileSync(`/proc/${child.pid}/uid_map`, mapText(mapping.uids));
      writeFileSync(`/proc/${child.pid}/gid_map`, mapText(mapping.gids));
      return openOf(child.pid, true);
    } finally {
      child.signal(SIGKILL);
      await child.exited;
    }
  } catch (error) {
    throw new EngineError('unavailable', `cannot make a user namespace: ${messageOf(error)}`, { cause: error });
  } finally {
    for (const fd of [input.read, input.write, output.read]) closeSync(fd);
  }
}

function userNamespaceOf(pid: number): OpenUserNamespace {
  try {
    return openOf(pid, false);
  } catch (error) {
    throw new EngineError('unavailable', `cannot join a user namespace: ${messageOf(error)}`, { cause: error });
  }
}

function openOf(pid: number, withNetwork: boolean): OpenUserNamespace {
  const descriptor = openFd(`/proc/${pid}/ns/user`, O_RDONLY);
  let network = withNetwork ? openFd(`/proc/${pid}/ns/net`, O_RDONLY) : undefined;
  let open = true;
  const takeNetwork = (): number | undefined => {
    const taken = network;
    network = undefined;
    return taken;
  };
  const close = (): void => {
    if (!open) return;
    open = false;
    closeFd(descriptor);
    const unused = takeNetwork();
    if (unused !== undefined) closeFd(unused);
  };
  return { descriptor, path: `/proc/${process.pid}/fd/${descriptor}`, takeNetwork, close };
}

const mapText = (ranges: readonly IdRange[]): string =>
  ranges.map(({ inside, outside, size }) => `${inside} ${outside} ${size}\n`).join('');
