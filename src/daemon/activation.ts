import { isDecimal } from '../base/text/digits.ts';

/** A listening socket that the manager of the service opened for the engine. */
export interface ActivatedSocket {
  readonly fd: number;
  /** `FileDescriptorName=` of its unit. */
  readonly name: string;
}

/** The first of the descriptors that are handed over (sd_listen_fds(3)). */
const firstDescriptor = 3;

/**
 * The sockets of sd_listen_fds(3): LISTEN_PID must be this process, LISTEN_FDS counts them, LISTEN_FDNAMES names them.
 * The variables are taken out of `env`: no child must believe that it was meant.
 */
export function takeActivatedSockets(env: NodeJS.ProcessEnv, pid = process.pid): ActivatedSocket[] {
  const { LISTEN_PID: owner = '', LISTEN_FDS: count = '', LISTEN_FDNAMES: names = '' } = env;
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) delete env[name];
  if (owner !== String(pid) || !isDecimal(count)) return [];
  const named = names.split(':');
  return Array.from({ length: Math.min(Number(count), 64) }, (_, at) => ({
    fd: firstDescriptor + at,
    name: named[at] || 'unknown',
  }));
}
