import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { EngineError } from '../../base/errors.ts';
import type { ConfinedRequest } from '../../spec/contract/build.ts';
import { leaveToLibuv } from './spawn.ts';

/** Of what a program complains, the end. */
const mostComplaint = 2000;
/** Nobody's user and group on every Linux. */
const nobody = '65534';
/** The place where the program sees its folder: every host has it, and nothing of ours is there. */
const place = '/mnt';

/**
 * Enters a private copy of the host's mounts, where the root but for the folder is read-only, and gives up all rights for good:
 * no user, no group, no capability, and none to be had by running anything. All by exec, so that there is one process.
 */
const script = [
  'ulimit -c 0',
  `mount --bind . ${place}`,
  'mount -o remount,bind,ro / 2>/dev/null || true',
  `cd ${place}`,
  `exec setpriv --reuid=${nobody} --regid=${nobody} --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all -- "$0" "$@"`,
].join(' && ');

const searchPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * The output of a program of the host that works on what strangers send, in a folder that belongs to nobody (65534). It sees
 * the environment that is given and nothing else of the engine's. Whoever stops reading ends it, with what it has started.
 * @throws EngineError `internal` with the end of what it complained; `cancelled`
 */
export async function* runConfined({
  program,
  args,
  directory,
  env,
  signal,
}: ConfinedRequest): AsyncGenerator<Uint8Array, void, undefined> {
  if (signal.aborted) throw new EngineError('cancelled', `${program} was cancelled`);
  const child = spawn('unshare', ['--mount', '--propagation=private', 'sh', '-ec', script, program, ...args], {
    cwd: directory,
    env: { PATH: searchPath, LC_ALL: 'C', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own, so that it goes with its helpers.
    detached: true,
  });
  leaveToLibuv(child);
  let complaint = '';
  child.stderr.on('data', (chunk: Buffer) => {
    complaint = (complaint + chunk.toString()).slice(-mostComplaint);
  });
  const ended = once(child, 'close') as Promise<[number | null, string | null]>;
  ended.catch(() => undefined);
  const end = (): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
  };
  signal.addEventListener('abort', end, { once: true });
  let isRead = false;
  try {
    for await (const chunk of child.stdout) yield chunk as Buffer;
    isRead = true;
    const [code, by] = await ended;
    if (signal.aborted) throw new EngineError('cancelled', `${program} was cancelled`);
    if (code === 0) return;
    const how = code === null ? `it was ended by ${by}` : `exit status ${code}`;
    throw new EngineError('internal', complaint.trim() || `${program}: ${how}`);
  } finally {
    signal.removeEventListener('abort', end);
    if (!isRead) end();
    await ended.catch(() => undefined);
  }
}
