import { delay } from '../../base/async.ts';
import { pathPart } from '../../client/target.ts';
import type { Session } from '../session.ts';
import { terminalSize } from './tty.ts';
import type { TerminalSize } from './tty.ts';

/** Whose terminal follows the own one: `containers` or `exec`, and the id. */
export interface ResizeTarget {
  readonly kind: 'containers' | 'exec';
  readonly id: string;
}

/** Tells the engine the size of a terminal; false when it refuses, as it does before the process runs. */
export async function resize(session: Session, { kind, id }: ResizeTarget, size: TerminalSize): Promise<boolean> {
  if (size.height === 0 && size.width === 0) return true;
  const query = { h: size.height, w: size.width };
  return session.client.json('POST', `/${kind}/${pathPart(id)}/resize`, { query }).then(
    () => true,
    () => false,
  );
}

/** Gives the container's terminal the size of the own one, now and whenever that changes. */
export async function followSize(session: Session, target: ResizeTarget): Promise<void> {
  process.on('SIGWINCH', () => void resize(session, target, terminalSize()));
  if (await resize(session, target, terminalSize())) return;
  void retry(session, target);
}

async function retry(session: Session, target: ResizeTarget): Promise<void> {
  for (let attempt = 1; attempt <= 10; attempt++) {
    await delay(attempt * 10);
    if (await resize(session, target, terminalSize())) return;
  }
  session.err('failed to resize tty, using default size\n');
}
