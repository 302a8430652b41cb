import { postContainer } from '../container/api.ts';
import type { Session } from '../session.ts';

/** Every signal that can be caught and means something to a container; those that the kernel raises for faults stay. */
const forwarded = [
  'SIGHUP',
  'SIGINT',
  'SIGQUIT',
  'SIGUSR1',
  'SIGUSR2',
  'SIGALRM',
  'SIGTERM',
  'SIGCONT',
  'SIGTSTP',
  'SIGTTIN',
  'SIGTTOU',
  'SIGWINCH',
  'SIGIO',
  'SIGPWR',
] as const;

const patience = 3;

/** Passes signals that this process receives on to a container (`--sig-proxy`), until the returned function is called. */
export function forwardSignals(session: Session, id: string): () => void {
  let interrupts = 0;
  const forward = (signal: NodeJS.Signals): void => {
    if ((signal === 'SIGINT' || signal === 'SIGTERM') && ++interrupts > patience) {
      session.err(`\ngot ${patience} SIGTERM/SIGINTs, forcefully exiting\n`);
      process.exit(1);
    }
    // The container may have ended just now.
    postContainer(session.client, id, 'kill', { signal: signal.slice(3) }).catch(() => undefined);
  };
  for (const signal of forwarded) process.on(signal, forward);
  return () => {
    for (const signal of forwarded) process.removeListener(signal, forward);
  };
}
